#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A backing store that somebody else uses is refused, with the name of the user: a
# mount, swap, device mapper, a loop device, another ublk device, a virtual machine.
# --shared overrides that, and recovery and live upgrade are not hindered.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 mkswap swapon losetup module:loop

# refused WORD OPTION...: "add" fails within a deadline and says that word
refused() {
	local word=$1
	shift

	timeout "$((20 * SCALE))" "$UBLK" add -n 77 --quiet "$@" >"$TMP/out" 2>&1 && return 1
	cat "$TMP/out"
	grep -qF -- "$word" "$TMP/out" && grep -q -e --shared "$TMP/out"
}

works() {
	timeout "$((30 * SCALE))" "$UBLK" add -n 77 --quiet "$@" || return
	"$UBLK" del -n 77
}
defer "$UBLK" del -n 77

# Files: ublk devices
img=$(new_file img 64M)
add_dev -t loop -f "$img"
check "file of another device" refused "/dev/ublkb$DEV" -t loop -f "$img"
ln "$img" "$TMP/link"
check "by another name" refused "/dev/ublkb$DEV" -t loop -f "$TMP/link"
check "to read it" refused "/dev/ublkb$DEV" -t loop -f "$img" --read-only
check "as a member of a stripe" refused "/dev/ublkb$DEV" -t stripe "$(new_file m 64M)" "$img"
check "for the target fault" refused "/dev/ublkb$DEV" -t fault "$img"
check "with --shared" works -t loop -f "$img" --shared
check "as before" refused "/dev/ublkb$DEV" -t loop -f "$img"
del_dev || die "del"
check "free again" works -t loop -f "$img"

add_dev -t loop -f "$img" --read-only
check "two readers" works -t loop -f "$img" --read-only
check "a writer beside a reader" refused "/dev/ublkb$DEV" -t loop -f "$img"
del_dev || die "del"

add_dev -t loop -f "$img" --offset 16M --size 16M
check "the part before" works -t loop -f "$img" --size 16M
check "the part behind" works -t loop -f "$img" --offset 32M
check "overlaps the start" refused "/dev/ublkb$DEV" -t loop -f "$img" --size 17M
check "overlaps the end" refused "/dev/ublkb$DEV" -t loop -f "$img" --offset 31M
one=$DEV
add_dev -t loop -f "$img" --offset 32M --size 16M
if has_feature UPDATE_SIZE; then
	check "no growth into another device" not "$UBLK" resize -n "$one" -s 20M
	check "growth where nothing is" "$UBLK" resize -n "$DEV" -s 20M
fi
del_dev "$one" || die "del"
del_dev || die "del"

if has_feature ZONED; then
	: >"$TMP/zoned"
	add_dev -t zoned --size 16M --zone-size 4M "$TMP/zoned"
	check "zoned" refused "/dev/ublkb$DEV" -t zoned "$TMP/zoned"
	check "loop on zoned" refused "/dev/ublkb$DEV" -t loop -f "$TMP/zoned"
	del_dev || die "del"
fi
check "a file twice in a stripe" not "$UBLK" add -t stripe "$img" "$TMP/link"

# hold FILE: a process that is not QEMU has its locks, or opens a disk exclusively
hold() {
	rm -f "$TMP/locked"
	python3 "$TMP/lock.py" "$1" "$TMP/locked" <"$TMP/hold" &
	holder=$!
	exec 9>"$TMP/hold"
	busywait 10000 test -e "$TMP/locked" || die "$1 is not held"
}
release() {
	exec 9>&-
	wait "$holder"
}
if command -v python3 >/dev/null; then
	cat >"$TMP/lock.py" <<-'END'
	import fcntl, os, struct, sys
	disk = sys.argv[1].startswith("/dev/")
	fd = os.open(sys.argv[1], os.O_RDWR | (os.O_EXCL if disk else 0))
	for byte in () if disk else (100, 101, 201):
	    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", 0, 0, byte, 1, 0))
	open(sys.argv[2], "w").close()
	sys.stdin.read()
	END
	mkfifo "$TMP/hold"
	hold "$img"
	check "a file of QEMU" refused "process $holder" -t loop -f "$img"
	check "to read" refused "process $holder" -t loop -f "$img" --read-only
	check "with --shared" works -t loop -f "$img" --shared
	release
fi

# Loop devices of the kernel
loop=$(losetup -f --show -o 16M --sizelimit 16M "$img")
defer losetup -d "$loop"
check "file of a loop device" refused "$loop" -t loop -f "$img"
check "overlaps" refused "$loop" -t loop -f "$img" --offset 8M --size 9M
check "does not overlap" works -t loop -f "$img" --offset 32M
check "to read beside it" refused "$loop" -t loop -f "$img" --read-only
losetup -d "$loop"
busywait 5000 not test -e "/sys/block/${loop##*/}/loop" || die "$loop stays"
loop=$(losetup -r -f --show "$img")
check "a reader beside a read-only loop device" works -t loop -f "$img" --read-only
check "a writer beside it" refused "$loop" -t loop -f "$img"
losetup -d "$loop"

# Block devices
disk_img=$(new_file disk 64M)
disk=$(losetup -f --show "$disk_img")
defer losetup -d "$disk"
check "a free disk" works -t loop -f "$disk"
if command -v python3 >/dev/null; then
	hold "$disk"
	check "a disk that is open exclusively" refused "process $holder" -t loop -f "$disk"
	release
fi
add_dev -t loop -f "$disk"
check "disk of another device" refused "/dev/ublkb$DEV" -t loop -f "$disk"
check "mkfs refuses it, too" not mkfs.ext4 -q "$disk"
del_dev || die "del"
mkfs.ext4 -q "$disk"
mkdir "$TMP/a place"
mount "$disk" "$TMP/a place" || die "mount"
defer umount "$TMP/a place"
check "mounted" refused "$TMP/a place" -t loop -f "$disk"
check "mounted, in a stripe" refused "$TMP/a place" -t stripe "$img" "$disk"
check "mounted, to read" works -t loop -f "$disk" --read-only
check "mounted, --shared" works -t loop -f "$disk" --shared
umount "$TMP/a place"
mkswap "$disk" >/dev/null
if swapon "$disk"; then
	check "swap" refused swapoff -t loop -f "$disk"
	swapoff "$disk"
else
	skip "swap" "swapon"
fi
check "free again" works -t loop -f "$disk"
add_dev -t loop -f "$disk" -r
kill -9 "$(pid_of "$DEV")"
check "recovered on it after a kill" timeout "$((30 * SCALE))" "$UBLK" recover -n "$DEV" --quiet
check "still claimed" refused "/dev/ublkb$DEV" -t loop -f "$disk"
del_dev || die "del"
losetup -d "$disk"

# A disk of this driver: its partition and the whole disk
if command -v sfdisk >/dev/null; then
	add_dev -t mem --size 64M
	echo "2048,32768" | sfdisk -q "$BDEV"
	if busywait 5000 test -b "${BDEV}p1"; then
		mkfs.ext4 -q "${BDEV}p1"
		mkdir "$TMP/part"
		mount "${BDEV}p1" "$TMP/part"
		check "a partition is mounted" refused "$TMP/part" -t loop -f "$BDEV"
		umount "$TMP/part"
		check "it is not" works -t loop -f "$BDEV"
	fi
	del_dev || die "del"
fi
if modprobe -q dm_mod && command -v dmsetup >/dev/null; then
	disk=$(losetup -f --show "$disk_img")
	echo "0 65536 linear $disk 0" | dmsetup create ublk-test
	defer dmsetup remove ublk-test
	check "device mapper" refused "(ublk-test)" -t loop -f "$disk"
	dmsetup remove ublk-test
	losetup -d "$disk"
fi

# Daemons that end
img=$(new_file img2 16M)
add_dev -t loop -f "$img" -r
for round in 1 2 3; do
	kill -9 "$(pid_of "$DEV")"
	check "recovered after kill, $round" timeout "$((30 * SCALE))" "$UBLK" recover -n "$DEV" --quiet
done
check "quiesced" "$UBLK" quiesce -n "$DEV"
check "recovered after it" timeout "$((30 * SCALE))" "$UBLK" recover -n "$DEV" --quiet
check "still claimed" refused "/dev/ublkb$DEV" -t loop -f "$img"
del_dev || die "del"
add_dev -t loop -f "$img"
kill -9 "$(pid_of "$DEV")"
check "used again at once after a kill" works -t loop -f "$img"
del_dev || die "del"
finish
