#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What goes wrong in the store of redirected requests: no space, a frozen file
# system, a file that is cut off, a disk that disappears, a disk below itself.
#
# covers: E-15 E-51
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:REDIRECT fio mkfs.ext4 fsfreeze module:null_blk
STATE=/sys/kernel/debug/ublk

null_device ublk_back size=32 blocksize=4096
mkdir "$TMP/mnt"
mkfs.ext4 -q -O ^has_journal "$NULL" || die "mkfs"
mount "$NULL" "$TMP/mnt" || die "mount"
defer umount "$TMP/mnt"

write_at() {
	dd if=/dev/zero bs=64k count="$2" seek="$1" of="$BDEV" oflag=direct \
		status=none
}

redirected() {
	[ ! -d "$STATE" ] || grep -q '^  tag [0-9]* redirected' "$STATE/$DEV/state"
}

# No space: an error, and the rest of the disk goes on.
truncate -s 256M "$TMP/mnt/sparse"
add_dev -t loop -f "$TMP/mnt/sparse"
check "mode" mode_has redirect
check "writes within the space" write_at 0 16
check "no space" not write_at 1024 1024
check "what was written is there" cmp -n 1048576 "$BDEV" /dev/zero
check "and can be written again" write_at 0 16
check "device is deleted" del_dev
rm "$TMP/mnt/sparse"

# A frozen file system: writes wait, many of them together, and the server does not.
fallocate -l 8M "$TMP/mnt/full"
add_dev -t loop -f "$TMP/mnt/full"
check "writes" write_at 0 16
fsfreeze -f "$TMP/mnt"
defer fsfreeze -u "$TMP/mnt"
fio --name=frozen --filename="$BDEV" --ioengine=io_uring --direct=1 --rw=randwrite \
	--bs=4k --offset=4M --size=1M --iodepth=32 --iodepth_batch_submit=16 \
	--verify=crc32c --do_verify=1 --output="$TMP/fio" &
writer=$!
check "a write waits" busywait 5000 redirected
check "reads go on" timeout "$((20 * SCALE))" cmp -n 1048576 "$BDEV" /dev/zero
fsfreeze -u "$TMP/mnt"
check "the writes end, and are there" wait "$writer"

# A file that becomes shorter: an error beyond its end, nothing is invented.
truncate -s 1M "$TMP/mnt/full"
check "reads within the rest" dd if="$BDEV" bs=64k count=16 iflag=direct of=/dev/null status=none
check "no read beyond it" not dd if="$BDEV" bs=64k skip=32 count=1 iflag=direct of=/dev/null status=none
check "a write makes it longer" write_at 32 1
check "it is there" cmp -n 65536 -i 2097152:0 "$BDEV" /dev/zero
check "device is deleted" del_dev

busy() {
	awk '{ exit !($1 > 500 && $5 > 500) }' "/sys/block/ublkb$DEV/stat"
}

# The disk disappears under IO.
umount "$TMP/mnt"
add_dev -t loop -f "$NULL" -q 2 --no-passthrough
timeout "$((60 * SCALE))" fio --name=io --filename="$BDEV" --ioengine=io_uring --direct=1 \
	--rw=randrw --iodepth=16 --time_based --runtime=60 --continue_on_error=none \
	--minimal >/dev/null 2>&1 &
writer=$!
check "IO is on its way" busywait 10000 busy
echo 0 >/sys/kernel/config/nullb/ublk_back/power
check "IO ends with an error" not wait "$writer"
check "device is deleted" del_dev
finish
