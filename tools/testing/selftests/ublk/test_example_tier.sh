#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example of a target whose data moves between two block devices while it is used:
# it is compiled with the public header alone, IO passes, and no byte is wrong while
# everything moves, its server is killed and recovered.
#
# covers: E-77 E-80 E-85
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS cc fio cmp module:null_blk
[ -e "$LIB_SRV/examples/tier.c" ] || skip_all "no examples here"
export UBLK_TARGET_DIR=$TMP
check "it compiles" compile_target tier "$LIB_SRV/examples/tier.c"

null_device ublk_tier_a size=32 blocksize=512
A=$NULL
null_device ublk_tier_b size=32 blocksize=4096 irqmode=2 completion_nsec=100000
B=$NULL
MAP=$TMP/map
: >"$MAP"

tier() {
	add_dev -t tier --first "$A" --second "$B" --map "$MAP" --chunk 256K "$@"
}

moved() {
	[ "$(tr -d '\0' <"$MAP" | wc -c)" -ge "$1" ]
}

# Nothing moves: no request, and the disk is the first device.
tier --interval 60000
check "mode" mode_has passthrough
check "logical blocks of the second device" prints 4096 blockdev --getss "$BDEV"
head -c 32M /dev/urandom >"$TMP/data"
dd if="$TMP/data" of="$BDEV" bs=256k oflag=direct status=none
check "no request came" prints 0 served_requests
check "the first device has the data" cmp "$TMP/data" \
	<(dd if="$A" bs=1M iflag=direct status=none)
check "device is deleted" del_dev

# Everything moves there, and back again. It goes on, so the test may miss when all is.
tier --interval 0
check "chunks move" busywait 30000 moved 100
check "the data is the same" cmp "$TMP/data" "$BDEV"
check "with and without the page cache" cmp "$TMP/data" \
	<(dd if="$BDEV" bs=1M iflag=direct status=none)
check "and back" busywait 30000 not moved 64
check "random IO verifies while it moves" fio_verify "$BDEV" --bsrange=4k-512k \
	--iodepth=16 --size=16m --time_based --runtime="$(less 10)" --fsync=64
check "device is deleted" del_dev

# A killed server has moved a chunk or has not.
tier --interval 0 -i
fio_verify "$BDEV" --bsrange=4k-256k --iodepth=16 --size=16m --time_based \
	--runtime="$(less 20)" --fsync=64 &
fio=$!
kills=0
while kill -0 "$fio" 2>/dev/null && [ "$kills" -lt 100 ]; do
	pause 1
	kill -9 "$(pid_of "$DEV")"
	busywait 20000 state_is "$DEV" QUIESCED || break
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" >/dev/null || break
	kills=$((kills + 1))
done
check "data verifies while servers are killed" wait "$fio"
say "$kills servers were killed"
check "they were" test "$kills" -gt 2
cat "$BDEV" >"$TMP/data"
check "device is deleted" del_dev
tier --interval 60000
check "the next one finds its data by the map" cmp "$TMP/data" "$BDEV"
check "device is deleted" del_dev
finish
