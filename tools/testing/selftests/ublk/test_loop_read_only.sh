#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A read-only loop device: reads work, writes do not, the file does not change.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blockdev blkdiscard

img=$TMP/img
head -c 4194304 /dev/urandom >"$img"
cp "$img" "$TMP/before"
add_dev -t loop -f "$img" --read-only
check "the disk is read-only" prints 1 blockdev --getro "$BDEV"
check "it reads" cmp "$BDEV" "$TMP/before"
check "it cannot be written" not dd if=/dev/zero of="$BDEV" bs=4k count=1 \
	oflag=direct status=none
check "it cannot be discarded" not blkdiscard "$BDEV"
check "device is deleted" del_dev
check "the file is unchanged" cmp "$img" "$TMP/before"

# A file that cannot be written at all.
mkdir "$TMP/ro"
check "bind mount" mount --bind "$TMP" "$TMP/ro"
defer umount "$TMP/ro"
check "remount read-only" mount -o remount,bind,ro "$TMP/ro"
check "refused without --read-only" not try_add -t loop -f "$TMP/ro/img"
add_dev -t loop -f "$TMP/ro/img" --read-only
check "works with --read-only" cmp "$BDEV" "$TMP/before"
check "device is deleted again" del_dev
finish
