#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Discarded and zeroed ranges read back as zeroes, other data stays, and discards
# punch holes into the backing file.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blkdiscard fallocate

mib=1048576
img=$TMP/img
tr '\0' '\377' </dev/zero | head -c $((16 * mib)) >"$img"
cp "$img" "$TMP/expected"

# zero_expected MIB COUNT: from now on the image must have zeroes there
zero_expected() {
	dd if=/dev/zero of="$TMP/expected" bs=$mib seek="$1" count="$2" \
		conv=notrunc status=none
}

blocks() {
	stat -c %b "$img"
}

# The server has punched the hole by now, so the file is smaller.
shrunk() {
	[ "$(blocks)" -le "$1" ] || { echo "$(blocks) blocks, not $1"; return 1; }
}

same() {
	cmp "$BDEV" "$TMP/expected" && cmp "$img" "$TMP/expected"
}

add_dev -t loop -f "$img"
full=$(blocks)
check "contents before" same
check "blkdiscard" blkdiscard -o $((2 * mib)) -l $((3 * mib)) "$BDEV"
zero_expected 2 3
check "discarded range reads zeroes, the rest is there" same
check "the file has a hole of 3 MiB" shrunk $((full - 3 * 2048))
check "write zeroes, unmapping" fallocate -p -o $((8 * mib)) -l $((2 * mib)) "$BDEV"
zero_expected 8 2
check "unmapped range reads zeroes, the rest is there" same
check "the file has a hole of 5 MiB" shrunk $((full - 5 * 2048))
before=$(blocks)
check "write zeroes, not unmapping" blkdiscard -z -o $((12 * mib)) -l $mib "$BDEV"
zero_expected 12 1
check "zeroed range reads zeroes, the rest is there" same
check "the file keeps that space" test "$(blocks)" -ge "$before"
check "whole device" blkdiscard "$BDEV"
zero_expected 0 16
check "everything reads zeroes" same
check "device is deleted" del_dev
finish
