#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Partitions of a ublk disk: make them, and let the scan of the next start find them.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require sfdisk mkfs.ext4

img=$(new_file img 64M)
add_dev -t loop -f "$img"
part=${BDEV}p1
check "partition table" sh -c "printf '2048,65536,L\n67584,,L\n' |
	sfdisk -q --wipe never '$BDEV'"
check "partition 1 appears" busywait 10000 test -b "$part"
check "partition 2 appears" busywait 10000 test -b "${BDEV}p2"
check "size of partition 1" prints 65536 cat "/sys/class/block/ublkb${DEV}p1/size"
check "mkfs" mkfs.ext4 -q "$part"
mkdir "$TMP/mnt"
defer umount "$TMP/mnt"
check "mount" mount "$part" "$TMP/mnt"
check "a file" sh -c "echo hello >'$TMP/mnt/file'"
check "umount" umount "$TMP/mnt"
check "device is deleted" del_dev
check "its partitions are gone" not test -e "$part"
add_dev -t loop -f "$img"
part=${BDEV}p1
check "the scan finds partition 1" busywait 10000 test -b "$part"
check "mount again" mount "$part" "$TMP/mnt"
check "the file is there" prints hello cat "$TMP/mnt/file"
check "umount again" umount "$TMP/mnt"
check "device is deleted again" del_dev
finish
