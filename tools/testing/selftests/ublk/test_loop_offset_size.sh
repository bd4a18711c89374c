#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A part of a file as the disk (--offset and --size); the rest of the file does not
# change.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blockdev

mib=1048576
img=$TMP/img
head -c $((8 * mib)) /dev/urandom >"$img"
cp "$img" "$TMP/before"

add_dev -t loop -f "$img" --offset 1M --size 2M
check "capacity" prints $((2 * mib)) blockdev --getsize64 "$BDEV"
check "contents" cmp -n $((2 * mib)) -i 0:$mib "$BDEV" "$img"
head -c $((2 * mib)) /dev/zero >"$TMP/zero"
check "write all of it" dd if="$TMP/zero" of="$BDEV" bs=64k oflag=direct status=none
check "device is deleted" del_dev
check "the file before the window" cmp -n $mib "$img" "$TMP/before"
check "the window" cmp -n $((2 * mib)) -i $mib:0 "$img" "$TMP/zero"
check "the file after the window" cmp -i $((3 * mib)) "$img" "$TMP/before"
add_dev -t loop -f "$img" --offset 3M
check "to the end by default" prints $((5 * mib)) blockdev --getsize64 "$BDEV"
check "contents of the rest" cmp -n $((5 * mib)) -i 0:$((3 * mib)) "$BDEV" "$TMP/before"
check "device is deleted again" del_dev
finish
