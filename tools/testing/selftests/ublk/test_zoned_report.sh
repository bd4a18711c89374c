#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The report of a zoned disk matches its file after every command, after writes, and
# when the disk is added again with the file. Limits of open and active zones are
# observed, a zone with a damaged record is read-only, wrong options are refused.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED blkzone cmp
[ -x "$LIB_DIR/zone_tool" ] || skip_all "zone_tool is not built"

zone=8192	# sectors

# Condition of a zone, as blkzone abbreviates it: em oi oe cl fu ro nw
cond_is() {
	local got

	got=$(blkzone report -o "$(($1 * zone))" -c 1 "$BDEV" |
		sed -n 's/.*zcond: *[0-9a-z]*(\(..\)).*/\1/p')
	[ "$got" = "$2" ] || { echo "zone $1 is $got, not $2"; return 1; }
}

same() {
	"$LIB_DIR/zone_tool" compare "$BDEV" "$img"
}

command_on() {
	blkzone "$1" -o "$(($2 * zone))" -c "${3:-1}" "$BDEV"
}

# write_to ZONE OFFSET-IN-4K COUNT
write_to() {
	dd if="$TMP/data" of="$BDEV" bs=4k seek="$(($1 * zone / 8 + $2))" \
		count="$3" oflag=direct status=none
}

# refused ZONE OFFSET COUNT: the write fails. The kernel then refuses all writes to
# the zone until the next report.
refused() {
	! write_to "$@" && blkzone report -o "$(($1 * zone))" -c 1 "$BDEV"
}

# says WORD -- COMMAND...: the command fails and prints one line with the word.
says() {
	local word=$1
	shift 2

	if timeout "$((30 * SCALE))" "$@" >"$TMP/out" 2>"$TMP/err"; then
		echo "status 0"
		return 1
	fi
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] && grep -q -- "$word" "$TMP/err"
}

again() {
	del_dev && try_add -t zoned "$@" "$img"
}

head -c 4M /dev/urandom >"$TMP/data"
img=$(new_file img 0)
add_dev -t zoned --size 64M --zone-size 4M --zone-capacity 3M --nr-conv 2 \
	--max-open 3 --max-active 5 -q 2 "$img"
check "a new disk" same
check "host-managed" prints host-managed cat "/sys/block/ublkb$DEV/queue/zoned"
check "number of zones" prints 16 cat "/sys/block/ublkb$DEV/queue/nr_zones"
check "max_open_zones" prints 3 cat "/sys/block/ublkb$DEV/queue/max_open_zones"
check "max_active_zones" prints 5 cat "/sys/block/ublkb$DEV/queue/max_active_zones"
check "conventional" cond_is 1 nw
check "empty" cond_is 2 em

check "write at the pointer" write_to 2 0 16
check "opens the zone" cond_is 2 oi
check "a write after the pointer fails" refused 2 17 1
check "a write before it fails" refused 2 0 1
check "the next write" write_to 2 16 16
check "anywhere in a conventional zone" write_to 1 500 7
check "up to the capacity" write_to 3 0 768
check "then it is full" cond_is 3 fu
check "not beyond it" refused 3 768 1
check "the file says the same" same

check "open" command_on open 4
check "is open" cond_is 4 oe
check "the file does not change" same
check "close the empty one" command_on close 4
check "is empty" cond_is 4 em
check "finish an empty one" command_on finish 4
check "is full" cond_is 4 fu
check "close the written one" command_on close 2
check "is closed" cond_is 2 cl
check "open it by writing" write_to 2 32 1
check "is open again" cond_is 2 oi
check "finish it" command_on finish 2
check "and the file says so" same
check "reset it" command_on reset 2
check "is empty again" cond_is 2 em
check "reads as zeroes" cmp -n 2097152 -i $((2 * zone * 512)):0 "$BDEV" /dev/zero
check "reset a full one" command_on reset 3
check "not a conventional one" not command_on reset 1
check "nor is it opened" not command_on open 0
check "the file says the same again" same

# At most three open and five active zones; zone 4 is full, the others are empty.
for i in 2 3 5; do
	check "open zone $i" command_on open $i
done
check "no fourth one" not command_on open 6
check "nor by a write" refused 6 0 1
check "close one that was written" eval "write_to 5 0 1 && command_on close 5"
check "a write opens another one" write_to 6 0 1
check "a second one closes it to make room" write_to 7 0 1
check "it is closed" cond_is 6 cl
check "a sixth active zone is refused" refused 8 0 1
check "a closed one can be written" write_to 6 1 1
check "and takes its place" cond_is 7 cl
check "the file says the same with limits" same

before=$(blkzone report "$BDEV" | sed 's/zcond: *[0-9]*(o.)/zcond: 4(cl)/')
check "added again with the file" again
check "the same shape without options" same
check "open zones are closed now" cond_is 6 cl
check "a zone that was only opened is empty" cond_is 2 em
check "all pointers are the same" test "$(cut -d, -f1-4 <<<"$before")" = \
	"$(blkzone report "$BDEV" | cut -d, -f1-4)"
check "data in conventional zones is there" cmp -n 28672 -i \
	0:$((zone * 512 + 500 * 4096)) "$TMP/data" "$BDEV"
check "data in sequential zones is there" cmp -n 4096 -i \
	0:$((5 * zone * 512)) "$TMP/data" "$BDEV"
check "a write at the pointer" write_to 6 2 1
check "reset all" blkzone reset "$BDEV" -o $((2 * zone))
check "all are empty" prints 14 grep -c "(em)" <(blkzone report "$BDEV")
check "the file says the same after it" same
check "one file, two disks" says "in use" -- "$UBLK" add -t zoned "$img"
check "write some" write_to 9 0 5
check "stop" del_dev

"$LIB_DIR/zone_tool" damage "$img" 9
check "with a damaged record" try_add -t zoned "$img"
check "the zone is read only" cond_is 9 ro
check "the file says so" same
check "its data can be read" cmp -n 20480 -i 0:$((9 * zone * 512)) "$TMP/data" "$BDEV"
check "it cannot be written" refused 9 5 1
check "it cannot be reset" not command_on reset 9
check "other zones can be written" write_to 10 0 1
check "stop it again" del_dev

check "another size" says "--size" -- "$UBLK" add -t zoned --size 32M "$img"
check "another zone size" says "--zone-size" -- "$UBLK" add -t zoned --zone-size 8M "$img"
check "other contents" says "other contents" -- "$UBLK" add -t zoned --size 64M "$TMP/data"
check "no size" says "give --size" -- "$UBLK" add -t zoned "$(new_file new 0)"
check "half a zone" says "whole zones" -- "$UBLK" add -t zoned --size 6M --zone-size 4M "$TMP/new"
check "zones of 3M" says "powers of two" -- "$UBLK" add -t zoned --size 6M --zone-size 3M "$TMP/new"
check "a larger capacity" says "--zone-capacity" -- "$UBLK" add -t zoned --size 8M \
	--zone-size 4M --zone-capacity 5M "$TMP/new"
check "conventional only" says "--nr-conv" -- "$UBLK" add -t zoned --size 8M \
	--zone-size 4M --nr-conv 2 "$TMP/new"
check "more open than active" says "--max-open" -- "$UBLK" add -t zoned --size 64M \
	--max-open 1 --max-active 1 --zone-size 4M --max-open 3 "$TMP/new"
rm "$TMP/new"
new_file new 0 >/dev/null
check "sent again" says "user-recovery" -- "$UBLK" add -t zoned --size 8M -i "$TMP/new"
check "a directory" says "$TMP" -- "$UBLK" add -t zoned --size 8M "$TMP"
truncate -s 10M "$img"
check "a file that is too short" says "shorter than its disk" -- "$UBLK" add -t zoned "$img"
finish
