#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Batches of io_uring that begin on a disk whose IO passes, and go on to the backing,
# while its scheduler is switched, for which the kernel freezes its queue. Then the
# backing is suspended, the server killed and recovered, and data moved: nothing hangs,
# no byte is wrong.
#
# covers: E-77 E-85 E-87
# runner: timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS fio cmp module:null_blk

null_device ublk_freeze_a size=64 blocksize=512 irqmode=2 hw_queue_depth=4
A=$NULL
null_device ublk_freeze_b size=64 blocksize=512 irqmode=2 hw_queue_depth=4
B=$NULL

add_dev -t loop -f "$A" -q 2
check "IO passes" mode_has passthrough
# Of each 16 entries that are submitted at once some are for each of the two.
fio --name=batch --filename="$BDEV:$A" --file_service_type=random:1 --ioengine=io_uring \
	--direct=1 --rw=randread --bsrange=4k-64k --iodepth=32 --iodepth_batch_submit=16 \
	--iodepth_batch_complete_min=8 --offset=32m --size=32m --time_based \
	--runtime="$(less 16)" --minimal >"$TMP/batch" 2>&1 &
batch=$!
fio_verify "$BDEV" --bsrange=4k-128k --iodepth=16 --size=16m --time_based \
	--runtime="$(less 16)" &
verify=$!
schedulers=$(tr -d '[]' <"/sys/block/${A#/dev/}/queue/scheduler")
switches=0
while kill -0 "$batch" 2>/dev/null; do
	for s in $schedulers; do
		echo "$s" >"/sys/block/${A#/dev/}/queue/scheduler" && switches=$((switches + 1))
	done
done
check "batches" wait "$batch"
check "data verifies" wait "$verify"
say "$switches switches of the scheduler"
check "it was switched" test "$switches" -gt 4
check "device is deleted" del_dev

if [ ! -e "$LIB_SRV/examples/tier.c" ] || ! command -v cc dmsetup >/dev/null ||
   ! modprobe -q dm_mod; then
	skip "a suspended backing" "no examples, compiler or device mapper here"
	finish
	exit
fi
export UBLK_TARGET_DIR=$TMP
check "the example compiles" compile_target tier "$LIB_SRV/examples/tier.c"
echo "0 32768 linear $A 0" |
	dmsetup create --noudevrules --noudevsync ublk-freeze || die "no dm linear"
STORE=/dev/dm-$(dmsetup info -c --noheadings -o minor ublk-freeze)
defer dmsetup remove --noudevrules --noudevsync --retry ublk-freeze
defer dmsetup resume --noudevrules --noudevsync ublk-freeze
busywait 5000 test -b "$STORE"

: >"$TMP/map"
add_dev -t tier --first "$STORE" --second "$B" --map "$TMP/map" --chunk 256k \
	--interval 60000 -i
head -c 16M /dev/urandom >"$TMP/data"
dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
dmsetup suspend --noudevsync --noflush --nolockfs ublk-freeze
head -c 64k /dev/zero >"$TMP/new"
dd if="$TMP/new" of="$BDEV" bs=64k count=1 seek=16 oflag=direct status=none &
writer=$!
in_flight() {
	awk '{ exit !($2 > 0) }' "/sys/block/ublkb$DEV/inflight"
}
check "a write waits for the backing" busywait 5000 in_flight
pid=$(pid_of "$DEV")
kill -9 "$pid"
busywait 10000 ended "$pid"
"$UBLK" recover -n "$DEV" >"$TMP/recover" 2>&1 &
recover=$!
old_session_lasts() {
	local i

	for i in 1 2 3 4 5; do
		kill -0 "$recover" && kill -0 "$writer" && state_is "$DEV" LIVE || return
		pause 0.2
	done
}
check "no new session meanwhile" old_session_lasts
dmsetup resume --noudevrules --noudevsync ublk-freeze
check "the write ends" wait "$writer"
check "recovery" wait "$recover"
check "device is deleted" del_dev
dd if="$TMP/new" of="$TMP/data" bs=64k count=1 seek=16 conv=notrunc status=none

# Now everything moves, and back again.
add_dev -t tier --first "$STORE" --second "$B" --map "$TMP/map" --chunk 256k --interval 0 -i
moved() {
	[ "$(tr -d '\0' <"$TMP/map" | wc -c)" -ge 48 ]
}
check "data moves" busywait 30000 moved
check "no byte is wrong" cmp "$TMP/data" "$BDEV"
check "device is deleted" del_dev
finish
