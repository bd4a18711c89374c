#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A disk whose IO passes is an ordinary one: file systems, swap, partitions, discards,
# sizes, read-only, holders, statistics.
#
# covers: E-61 E-80
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS fio cmp wipefs mkfs.ext4 fstrim blkdiscard blockdev sfdisk partx mkswap \
	swapon module:null_blk

null_device ublk_stack size=400 blocksize=512 discard=1
add_dev -t loop -f "$NULL" -i -q 2 --mlock
check "IO passes" mode_has passthrough
head -c 8M /dev/urandom >"$TMP/data"
mkdir "$TMP/mnt"

# A kill of the daemon while the file system is used; what was written is there.
test_fs() {
	local fs=$1

	wipefs -qa "$BDEV"
	mkfs."$fs" -q "$BDEV" || { not_ok "mkfs.$fs"; return; }
	check "$fs: mounted" mount "$BDEV" "$TMP/mnt"
	cp "$TMP/data" "$TMP/mnt/one"
	sync -f "$TMP/mnt"
	kill -9 "$(pid_of "$DEV")"
	busywait 10000 state_is "$DEV" QUIESCED
	cp "$TMP/data" "$TMP/mnt/two" &
	local copy=$!

	check "$fs: recovered" "$UBLK" recover -n "$DEV" --quiet
	check "$fs: a copy goes on" wait "$copy"
	rm "$TMP/mnt/one"
	check "$fs: fstrim" fstrim "$TMP/mnt"
	check "$fs: unmounted" umount "$TMP/mnt"
	check "$fs: mounted again" mount "$BDEV" "$TMP/mnt"
	check "$fs: the file is there" cmp "$TMP/data" "$TMP/mnt/two"
	check "$fs: unmounted" umount "$TMP/mnt"
}
test_fs ext4
if command -v mkfs.xfs >/dev/null; then
	test_fs xfs
else
	skip "xfs" "no mkfs.xfs"
fi

# Discards arrive, and zeroes.
at() {
	dd if="$1" bs=1M skip="$2" count=1 iflag=direct status=none
}
dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "blkdiscard" blkdiscard -o 1M -l 1M "$BDEV"
check "the backing has zeroes" cmp -n 1048576 <(at "$NULL" 1) /dev/zero
check "blkdiscard -z" blkdiscard -z -o 3M -l 1M "$BDEV"
check "the backing has zeroes" cmp -n 1048576 <(at "$NULL" 3) /dev/zero
check "between them is data" cmp <(at "$NULL" 2) <(dd if="$TMP/data" bs=1M skip=2 count=1 status=none)

# Partitions: IO passes, and is counted for the partition and for the disk.
printf 'size=16M\nsize=16M\n' | sfdisk -q --no-tell-kernel --label gpt "$BDEV" || not_ok "sfdisk"
partx -u "$BDEV"
check "partitions" busywait 5000 test -b "${BDEV}p2"
start=$(cat "/sys/block/ublkb$DEV/ublkb${DEV}p2/start")
stats() {
	awk '{ print $5, $7 }' "/sys/block/ublkb$DEV/$1stat"
}
read -r part_ios part_sectors <<<"$(stats "ublkb${DEV}p2/")"
had=$(served_requests)
dd if="$TMP/data" of="${BDEV}p2" bs=64k count=16 oflag=direct status=none
check "no request came" prints "$had" served_requests
check "it is where the partition is" cmp -n 1048576 "$TMP/data" \
	<(dd if="$NULL" bs=512 skip="$start" count=2048 iflag=direct status=none)
check "the partition counts it" prints "$((part_ios + 16)) $((part_sectors + 2048))" \
	stats "ublkb${DEV}p2/"
sfdisk -q --delete "$BDEV" >/dev/null
partx -d "$BDEV"
blkdiscard -f "$BDEV"

# Swap, on a disk whose daemon is locked in memory.
mkswap -q "$BDEV" >/dev/null
check "swapon" swapon "$BDEV"
defer swapoff "$BDEV"
kill -9 "$(pid_of "$DEV")"
busywait 10000 state_is "$DEV" QUIESCED
check "recovered" "$UBLK" recover -n "$DEV" --quiet
check "swapoff" swapoff "$BDEV"

# Sizes.
check "made smaller" "$UBLK" resize -n "$DEV" -s 64M
check "the disk is" prints 67108864 blockdev --getsize64 "$BDEV"
check "no write behind its end" not dd if="$TMP/data" of="$BDEV" bs=1M seek=64 count=1 \
	oflag=direct status=none
check "enlarged" "$UBLK" resize -n "$DEV" -s 400M
had=$(served_requests)
dd if="$TMP/data" of="$BDEV" bs=1M seek=100 count=1 oflag=direct status=none
check "a write arrives" cmp -n 1048576 "$TMP/data" <(at "$NULL" 100)
check "no request came" prints "$had" served_requests

# Read-only, by the administrator.
check "read-only" blockdev --setro "$BDEV"
check "nothing is written" not dd if="$TMP/data" of="$BDEV" bs=1M count=1 oflag=direct \
	status=none
check "it is read" at "$BDEV" 0
check "writable again" blockdev --setrw "$BDEV"
check "it is written" dd if="$TMP/data" of="$BDEV" bs=1M count=1 oflag=direct status=none
check "device is deleted" del_dev
finish
