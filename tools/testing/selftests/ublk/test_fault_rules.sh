#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The target fault does what its rules say: errors with the given errno, delays
# within bounds, short transfers, chosen by operation, position, number and chance.
# It does not touch other requests. A wrong rule is refused with one line.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blkdiscard cmp
export LC_ALL=C

# One direct request of 4 KiB: read_at BLOCK, write_at BLOCK
read_at() {
	timeout "$((20 * SCALE))" dd if="$BDEV" of="$TMP/back" bs=4k count=1 skip="$1" \
		iflag=direct status=none
}

write_at() {
	timeout "$((20 * SCALE))" dd if="$TMP/data" of="$BDEV" bs=4k count=1 seek="$1" \
		oflag=direct status=none
}

# fails_with TEXT COMMAND...: the command fails and prints this reason.
fails_with() {
	local text=$1
	shift

	if "$@" 2>"$TMP/err"; then
		echo "status 0"
		return 1
	fi
	cat "$TMP/err"
	grep -q -- "$text" "$TMP/err"
}

# takes MIN MAX COMMAND...: milliseconds
takes() {
	local min=$1 max=$2 start=${EPOCHREALTIME/[.,]/} ms
	shift 2

	"$@" || return
	ms=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	echo "$ms ms"
	[ "$ms" -ge "$min" ] && [ "$ms" -le "$max" ]
}

# Which of N reads fail, as a word of . and x
pattern() {
	local i word=

	for ((i = 0; i < $1; i++)); do
		if read_at 1 2>/dev/null; then word+=.; else word+=x; fi
	done
	echo "$word"
}

fault() {
	add_dev -t fault --no-auto-part-scan "$@"
}

head -c 65536 /dev/urandom >"$TMP/data"

rules=()
n=8
errnos=(EIO ENOSPC EOPNOTSUPP ETIMEDOUT ENOLINK EREMOTEIO EBADE ENODATA EILSEQ
	EBUSY ENODEV ETOOMANYREFS EOVERFLOW ETIME EINVAL)
texts=("Input/output error" "No space left on device" "Operation not supported"
	"Connection timed out" "Link has been severed" "Remote I/O error"
	"Invalid exchange" "No data available"
	"Invalid or incomplete multibyte" "Device or resource busy"
	"No such device" "Too many references" "Value too large" "Timer expired"
	"Invalid argument")
for name in "${errnos[@]}"; do
	rules+=(--rule "read:errno=$name,sectors=$((n * 8))-$((n * 8 + 7))")
	n=$((n + 1))
done
rules+=(--rule "write:errno=5,sectors=4096" --rule "discard:errno=EBADE"
	--rule "zeroes:errno=EREMOTEIO" --rule "flush:errno=ENOSPC")
fault --size 16M "${rules[@]}"
for ((i = 0; i < ${#errnos[@]}; i++)); do
	check "read: ${errnos[i]}" fails_with "${texts[i]}" read_at $((i + 8))
done
check "read before them" read_at 7
check "read behind them" read_at "$n"
check "write where reads fail" write_at 8
check "write: EIO" fails_with "Input/output error" write_at 512
check "write beside it" write_at 511
check "discard: EBADE" fails_with "Invalid exchange" blkdiscard -f "$BDEV"
check "write zeroes: EREMOTEIO" fails_with "Remote I/O error" \
	blkdiscard -f -z -o 0 -l 4096 "$BDEV"
check "flush: ENOSPC" fails_with "No space left on device" \
	dd if="$TMP/data" of="$BDEV" bs=4k count=1 oflag=direct conv=fsync status=none
check "the data can be read nevertheless" read_at 0
check "and is right" cmp -n 4096 "$TMP/data" "$TMP/back"
del_dev

fault --rule "read:delay=900,sectors=8-15" --rule "write:delay=300-1200" \
	--rule "all:delay=400,sectors=16-23" --rule "read:delay=400,sectors=16-23"
limit=$((5000 * SCALE))
check "a delayed read" takes 900 "$limit" read_at 1
check "a random delay" takes 300 "$limit" write_at 0
check "two rules add up" takes 800 "$limit" read_at 2
del_dev

fault --rule "read:delay=$((3000 * SCALE)),sectors=8-15"
read_at 1 &
reader=$!
check "a read waits" busywait 5000 in_flight
check "one that is not delayed overtakes it" read_at 0
check "the first one still waits" not ended "$reader"
check "and ends" wait "$reader"
del_dev

fault --rule "read:errno=EIO,every=3,sectors=8-15" --rule "write:errno=EIO,nth=2"
check "every third" prints "..x..x..x" pattern 9
check "first write" write_at 0
check "second write" not write_at 0
check "third write" write_at 0
del_dev
fault --rule "read:errno=EIO,count=2,sectors=8-15"
check "the first two" prints "xx...." pattern 6
del_dev

for seed in 1 1 2; do
	fault --seed "$seed" --rule "read:errno=EIO,percent=50,sectors=8-15"
	found+=("$(pattern 24)")
	del_dev
done
say "by chance: ${found[*]}"
check "half of them fail, by chance" test "${found[0]//./}" != ""
check "and half do not" test "${found[0]//x/}" != ""
check "the same seed, the same ones" test "${found[0]}" = "${found[1]}"
check "another seed, others" test "${found[0]}" != "${found[2]}"

# The driver delivers the rest of a short read again.
fault --copy --rule "read:short=1536,count=1,sectors=0-127" \
	--rule "read:short=0,sectors=128-135"
check "write" dd if="$TMP/data" of="$BDEV" bs=64k oflag=direct status=none
check "the rest of a short read is sent again" dd if="$BDEV" of="$TMP/back" bs=64k \
	count=1 iflag=direct status=none
check "to the end" cmp "$TMP/data" "$TMP/back"
check "a read of nothing is an error" fails_with "Input/output error" read_at 16
del_dev

while read -r rule word; do
	check "--rule $rule" fails_with "$word" timeout "$((30 * SCALE))" "$UBLK" add -t fault \
		--rule "$rule"
	check "in one line" prints 1 wc -l <"$TMP/err"
done <<'END'
read "read"
reed:errno=EIO "reed"
read:errno=EWHAT "errno=EWHAT"
read:every=0,errno=EIO "every=0"
write:die=now "die=now"
read:delay=5,colour=7 "colour=7"
END
check "memory cannot be recovered" fails_with "leave --user-recovery out" \
	timeout "$((30 * SCALE))" "$UBLK" add -t fault -r
check "a file that is too small" fails_with "enlarge the file" \
	timeout "$((30 * SCALE))" "$UBLK" add -t fault --size 2M "$(new_file img 1M)"
finish
