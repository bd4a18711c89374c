#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kill the daemon of a zoned disk at any moment while four threads write. No write
# pointer is before an acknowledged write, and the data before the pointer is
# there, whether the disk is recovered or added again with its file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED feature:USER_RECOVERY blkzone
tool=$LIB_DIR/zone_tool
[ -x "$tool" ] || skip_all "zone_tool is not built"

# Acknowledged sectors, as the log says
acked() {
	od -An -v -t u8 -w8 "$TMP/log" | awk '{ n += $1 } END { print n }'
}

acked_more_than() {
	[ "$(acked)" -gt "$1" ]
}

# The writer ends soon after its disk has lost its daemon.
round() {
	local had

	had=$(acked)
	# Make room for this round in all zones.
	if [ "$had" -gt $(((zones - 1) * 1280)) ]; then
		blkzone reset -o 2048 "$BDEV"
		truncate -s 0 "$TMP/log"
		truncate -s 32768 "$TMP/log"
		had=0
	fi
	timeout "$((60 * SCALE))" "$tool" write "$BDEV" "$img" "$TMP/log" 2>/dev/null &
	check "$1: it writes" busywait 20000 acked_more_than $((had + $2))
	check "$1: the daemon is killed" kill_daemon "$3"
}

# The first one is conventional.
zones=$((8 + $(less 24)))
truncate -s 32768 "$TMP/log"
img=$(new_file img 0)
add_dev -t zoned -r -q 4 --size "${zones}M" --zone-size 1M --zone-capacity 1M \
	--nr-conv 1 --block-size 4k "$img"
for i in $(seq "$(less 5)"); do
	round "recover $i" $((RANDOM % 4000 + 100)) QUIESCED
	check "recover $i" timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV"
	wait "$!"
	check "recover $i: the report matches the file" "$tool" compare "$BDEV" "$img"
	check "recover $i: nothing acknowledged is lost" "$tool" verify "$BDEV" "$img" "$TMP/log"
done
del_dev

for i in $(seq "$(less 3)"); do
	add_dev -t zoned -q 4 "$img"
	round "again $i" $((RANDOM % 4000 + 100)) DEAD
	wait "$!"
	check "again $i: delete" del_dev
	add_dev -t zoned "$img"
	check "again $i: the report matches the file" "$tool" compare "$BDEV" "$img"
	check "again $i: nothing acknowledged is lost" "$tool" verify "$BDEV" "$img" "$TMP/log"
	del_dev
done

add_dev -t zoned -q 4 "$img"
check "write the rest" timeout "$((120 * SCALE))" "$tool" write "$BDEV" "$img" "$TMP/log"
check "all zones are full" prints $((zones - 1)) grep -c "(fu)" <(blkzone report "$BDEV")
check "with what was written" "$tool" verify "$BDEV" "$img" "$TMP/log"
finish
