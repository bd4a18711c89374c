#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk resize" makes a disk in use larger, with a file system that grows, and
# smaller; a recovery keeps the size. "ublk set-affinity" binds its threads.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:UPDATE_SIZE mkfs.ext4 resize2fs taskset

img=$(new_file img 32M)
add_dev -t loop -f "$img" -r
mkdir "$TMP/mnt"
mkfs.ext4 -q "$BDEV"
check "mounted" mount "$BDEV" "$TMP/mnt"
defer umount "$TMP/mnt"
dd if=/dev/urandom of="$TMP/mnt/data" bs=1M count=4 status=none
sum=$(cksum <"$TMP/mnt/data")

truncate -s 64M "$img"
check "enlarged" "$UBLK" resize -n "$DEV" -s 64M
check "the disk has the size" prints 67108864 blockdev --getsize64 "$BDEV"
check "list has it" prints 131072 awk 'NR == 1 { print $12 }' <("$UBLK" list -n "$DEV")
check "the file system grows" resize2fs "$BDEV"
check "to the new size" test "$(stat -f -c '%b' "$TMP/mnt")" -gt 40000
check "beyond the old end" dd if=/dev/zero of="$TMP/mnt/more" bs=1M count=36 \
	conv=fsync status=none
check "the data is there" prints "$sum" sh -c "cksum <'$TMP/mnt/data'"

kill -9 "$(pid_of "$DEV")"
check "killed" busywait 5000 state_is "$DEV" QUIESCED
check "recovered with the new size" "$UBLK" recover -n "$DEV" --quiet
check "the disk still has it" prints 67108864 blockdev --getsize64 "$BDEV"
check "a file at the end reads" cmp -n 37748736 "$TMP/mnt/more" /dev/zero
umount "$TMP/mnt"

check "made smaller" "$UBLK" resize -n "$DEV" --size 16M
check "the disk is smaller" prints 16777216 blockdev --getsize64 "$BDEV"
check "not a multiple of the block size" not "$UBLK" resize -n "$DEV" -s 1000
check "size 0" not "$UBLK" resize -n "$DEV" -s 0
check "as before" prints 16777216 blockdev --getsize64 "$BDEV"
check "no such device" not "$UBLK" resize -n 77 -s 1M

tid_of() {
	"$UBLK" list -n "$DEV" | awk -v q="$1:" '/^\tqueue/ && $2 == q { print $4 }'
}

cpus_of() {
	taskset -pc "$(tid_of "$1")" | sed 's/.*: //'
}

last=$(($(nproc) - 1))
check "bound to CPU 0" "$UBLK" set-affinity -n "$DEV" -q 0 --cpus 0
check "the thread is" prints 0 cpus_of 0
check "bound to CPU $last" "$UBLK" set-affinity -n "$DEV" -q 0 --cpus "$last"
check "the thread is" prints "$last" cpus_of 0
check "no such CPU" not "$UBLK" set-affinity -n "$DEV" -q 0 --cpus 8000
check "no list" not "$UBLK" set-affinity -n "$DEV" -q 0 --cpus 0-
check "no such queue" not "$UBLK" set-affinity -n "$DEV" -q 9 --cpus 0
check "the thread is as before" prints "$last" cpus_of 0
check "deleted" del_dev
finish
