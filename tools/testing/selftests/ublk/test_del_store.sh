#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# When "ublk del" returns, nobody uses the store any more: its file system can be
# unmounted, and its block device opened exclusively, without a second try.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 losetup

FS=$TMP/fs
modprobe -q loop
STORE=$(losetup -f --show "$(new_file store 64M)")
defer losetup -d "$STORE"

serve_once() {
	add_dev "$@" || return
	dd if=/dev/zero of="$BDEV" bs=64k count=8 oflag=direct status=none &&
		dd if="$BDEV" of=/dev/null bs=64k count=8 iflag=direct status=none &&
		del_dev
}

unmounts() {
	mount "$STORE" "$FS" && truncate -s 16M "$FS/img" &&
		serve_once -t loop -f "$FS/img" "$@" && umount "$FS"
}

opens() {
	serve_once -t loop -f "$STORE" "$@" &&
		python3 -c "import os; os.open('$STORE', os.O_RDWR | os.O_EXCL)"
}

# again FUNCTION ARG...: it may fail in few cases only
again() {
	local i

	for ((i = 0; i < 10; i++)); do
		"$@" || return
	done
}

mkdir "$FS"
defer umount -q "$FS"
for options in "" --no-redirect; do
	mkfs.ext4 -qF "$STORE"
	# shellcheck disable=SC2086 # no option, or one
	check "a file system below ${options:-as added}" again unmounts $options
	# shellcheck disable=SC2086
	check "a block device ${options:-as added}" again opens $options
done
finish
