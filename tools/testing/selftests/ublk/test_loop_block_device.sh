#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loop target on a block device with 4 KiB blocks.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio blockdev blkdiscard module:null_blk

null_device ublk_back size=64 blocksize=4096 discard=1

add_dev -t loop -f "$NULL" -q 2
check "logical block size" prints 4096 blockdev --getss "$BDEV"
check "capacity" prints "$(blockdev --getsize64 "$NULL")" blockdev --getsize64 "$BDEV"
check "random IO verifies" fio_verify "$BDEV" --bsrange=4k-128k \
	--iodepth=32 --size=8m
dd if=/dev/urandom of="$BDEV" bs=1M count=4 oflag=direct status=none
check "what was written is on the backing device" cmp -n 4194304 "$BDEV" "$NULL"
check "discard" blkdiscard -o 1048576 -l 1048576 "$BDEV"
check "discarded range reads zeroes" cmp -n 1048576 -i 1048576:0 "$BDEV" /dev/zero
check "write zeroes" blkdiscard -z -o 2097152 -l 1048576 "$BDEV"
check "zeroed range reads zeroes" cmp -n 1048576 -i 2097152:0 "$BDEV" /dev/zero
check "device is deleted" del_dev
finish
