#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Files written to a file system on a device are unchanged when the device has been
# deleted and added again, and fsck finds no error. test_*_mkfs_*.sh source it after
# lib.sh; they give the fsck command and, unless it is loop on one file, FS_DEVICE:
# the target and its options.

# fs_roundtrip TYPE SIZE FSCK...: runs FSCK with the device as its last argument
fs_roundtrip() {
	local type=$1 mnt=$TMP/mnt
	shift

	[ -n "${FS_DEVICE[*]:-}" ] || FS_DEVICE=(-t loop -f "$(new_file img "$1")")
	shift
	mkdir "$mnt"
	defer umount "$mnt"
	add_dev "${FS_DEVICE[@]}" -q 2
	check "mkfs.$type" "mkfs.$type" -q "$BDEV"
	check "mount" mount -t "$type" "$BDEV" "$mnt"
	mkdir "$TMP/src"
	for i in $(seq 30); do
		head -c "$((i * 3001))" /dev/urandom >"$TMP/src/file$i"
	done
	cp -r /etc/init.d /etc/default "$TMP/src/" 2>/dev/null
	check "copy files" cp -r --no-preserve=mode "$TMP/src" "$mnt/"
	check "they read back" diff -rq --no-dereference "$TMP/src" "$mnt/src"
	check "sync" sync -f "$mnt"
	check "umount" umount "$mnt"
	check "fsck" "$@" "$BDEV"
	check "delete the device" del_dev
	add_dev "${FS_DEVICE[@]}"
	check "mount again" mount -t "$type" "$BDEV" "$mnt"
	check "the files are unchanged" diff -rq --no-dereference "$TMP/src" "$mnt/src"
	check "remove them" rm -rf "$mnt/src"
	check "umount again" umount "$mnt"
	check "fsck again" "$@" "$BDEV"
	check "delete the device again" del_dev
}
