#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loop target on a block device with 4 KiB blocks: IO passes to it, or the daemon
# serves it.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio blockdev blkdiscard module:null_blk

null_device ublk_back size=64 blocksize=4096 discard=1

# Below its page cache, as IO that passes is.
backing_has_it() {
	dd if="$NULL" bs=1M count=4 iflag=direct status=none | cmp - "$BDEV" -n 4194304
}

for opt in "" --no-passthrough; do
	# shellcheck disable=SC2086
	add_dev -t loop -f "$NULL" -q 2 $opt
	mode=${opt:-default}
	check "$mode: logical block size" prints 4096 blockdev --getss "$BDEV"
	check "$mode: capacity" prints "$(blockdev --getsize64 "$NULL")" \
		blockdev --getsize64 "$BDEV"
	check "$mode: random IO verifies" fio_verify "$BDEV" --bsrange=4k-128k \
		--iodepth=32 --size=8m
	dd if=/dev/urandom of="$BDEV" bs=1M count=4 oflag=direct status=none
	check "$mode: what was written is on the backing device" backing_has_it
	check "$mode: discard" blkdiscard -o 1048576 -l 1048576 "$BDEV"
	check "$mode: discarded range reads zeroes" \
		cmp -n 1048576 -i 1048576:0 "$BDEV" /dev/zero
	check "$mode: write zeroes" blkdiscard -z -o 2097152 -l 1048576 "$BDEV"
	check "$mode: zeroed range reads zeroes" \
		cmp -n 1048576 -i 2097152:0 "$BDEV" /dev/zero
	check "$mode: device is deleted" del_dev
done
finish
