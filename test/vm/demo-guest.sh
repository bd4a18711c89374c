#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of "make demo" that runs in the guest: the project's own source is
# written through ext4 on /dev/ublkb0 (loop target), the device deleted and added
# again, and every checksum compared. Ends at the first command that fails.

set -u
step=0
image=/tmp/demo.img
mnt=/mnt
sums=/tmp/demo.sums

seconds() {
	printf '%d.%d s' "$(($1 / 1000000))" "$(($1 % 1000000 / 100000))"
}

# run TEXT COMMAND: the command is shell text, shown and run.
run() {
	local t0 rc

	step=$((step + 1))
	printf '\n%2d. %s\n    # %s\n' "$step" "$1" "$2"
	t0=${EPOCHREALTIME/./}
	(set -o pipefail; eval "$2") 2>&1 | sed 's/^/    /'
	rc=${PIPESTATUS[0]}
	t0=$((${EPOCHREALTIME/./} - t0))
	if [ "$rc" -ne 0 ]; then
		printf '    FAILED with status %d after %s\n' "$rc" "$(seconds "$t0")"
		exit 1
	fi
	printf '    took %s\n' "$(seconds "$t0")"
}

printf '    booted %s in %s s\n' "$(uname -r)" "$(cut -d. -f1 /proc/uptime)"
run "Load the driver" "modprobe ublk_drv && modinfo -n ublk_drv"
run "Make the file that the device will keep its data in" \
	"truncate -s 256M $image"
run "Add a device that is served from this file" \
	"ublk add -t loop -n 0 -f $image"
run "See it" "ublk list && lsblk /dev/ublkb0"
run "Make a file system on it" "mkfs.ext4 -q /dev/ublkb0"
run "Mount it" "mount /dev/ublkb0 $mnt"
run "Copy this project's source tree onto it" \
	"cp -a /ublk $mnt/ && find $mnt/ublk -type f | wc -l | sed 's/\$/ files/'"
run "Keep the checksum of every original file outside" \
	"cd /ublk && find . -type f -print0 | xargs -0 sha256sum >$sums && wc -l <$sums | sed 's/\$/ checksums/'"
run "Unmount" "umount $mnt"
run "Delete the device: its process ends, the file stays" "ublk del -n 0"
run "It is gone" "test ! -e /dev/ublkb0 && ! pgrep -x ublk && du -h $image"
run "Add it again" "ublk add -t loop -n 0 -f $image"
run "Check the file system" "fsck.ext4 -fn /dev/ublkb0"
run "Mount it again" "mount -o ro /dev/ublkb0 $mnt"
run "Compare every checksum" \
	"cd $mnt/ublk && sha256sum --quiet --check $sums && wc -l <$sums | sed 's/\$/ checksums are equal/'"
run "No file more, no file less" "diff -r /ublk $mnt/ublk"
run "Tidy up" "umount $mnt && ublk del -n 0 && modprobe -r ublk_drv"
