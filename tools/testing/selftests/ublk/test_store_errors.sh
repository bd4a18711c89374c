#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Backing stores that are read-only, that cannot do everything, that fail, that are
# too small: the message names the cause, the daemon's log has the errors, and the
# kernel log has none that the store did not cause.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blkdiscard blockdev losetup module:loop feature:UPDATE_SIZE

says() {
	local word=$1
	shift

	timeout "$((20 * SCALE))" "$@" >"$TMP/out" 2>&1 && return 1
	cat "$TMP/out"
	grep -qF -- "$word" "$TMP/out"
}

kernel_errors() {
	dmesg | awk -v dev="${BDEV#/dev/}," '/error, dev/ && index($0, dev) { n++ }
		END { print n + 0 }'
}

# A block device that is read-only
loop=$(losetup -r -f --show "$(new_file ro 16M)")
defer losetup -d "$loop"
check "read-only block device" says "use --read-only" "$UBLK" add -t loop -f "$loop"
check "in a stripe" says "use --read-only" "$UBLK" add -t stripe "$(new_file m 16M)" "$loop"
check "for the target fault" says "blockdev --setrw" "$UBLK" add -t fault "$loop"
add_dev -t loop -f "$loop" --read-only
check "served read-only" prints 1 blockdev --getro "$BDEV"
check "and reads" cmp -n 1048576 "$BDEV" /dev/zero
del_dev || die "del"

# Discard and write zeroes where the file system lacks operations
mkdir "$TMP/tmpfs"
mount -t tmpfs -o size=8m none "$TMP/tmpfs" || die "tmpfs"
defer umount "$TMP/tmpfs"
fill() {
	tr '\0' '\377' </dev/zero | head -c 2097152 >"$1"
}
zeroes_at() {
	cmp -n 131072 -i "$1:0" "$BDEV" /dev/zero
}
other_at() {
	not cmp -s -n 512 -i "$1:0" "$BDEV" /dev/zero
}
zeroing() {
	local what=$1 img=$2 before
	shift 2

	add_dev "$@"
	before=$(kernel_errors)
	check "$what: write zeroes" blkdiscard -z -o 131072 -l 131072 "$BDEV"
	check "$what: they are zeroes" zeroes_at 131072
	check "$what: before it" other_at 130560
	check "$what: behind it" other_at 262144
	check "$what: unmapping" fallocate -p -o 524288 -l 131072 "$BDEV"
	check "$what: that are zeroes, too" zeroes_at 524288
	check "$what: not unmapping" fallocate -z -o 1048576 -l 131072 "$BDEV"
	check "$what: that are zeroes as well" zeroes_at 1048576
	check "$what: no error in the kernel log" prints "$before" kernel_errors
	del_dev || die "del"
}
fill "$TMP/tmpfs/img"
blocks=$(stat -c %b "$TMP/tmpfs/img")
zeroing tmpfs "$TMP/tmpfs/img" -t loop -f "$TMP/tmpfs/img"
check "only what was unmapped is free" prints "$((blocks - 256))" stat -c %b "$TMP/tmpfs/img"
fill "$TMP/tmpfs/a"
fill "$TMP/tmpfs/b"
zeroing "stripe on tmpfs" "$TMP/tmpfs/a" -t stripe --chunk-size 64K "$TMP/tmpfs/a" "$TMP/tmpfs/b"
rm "$TMP/tmpfs/a" "$TMP/tmpfs/b"
zeroing "fault on tmpfs" "$TMP/tmpfs/img" -t fault "$TMP/tmpfs/img"
fill "$TMP/img"
zeroing "$(stat -f -c %T "$TMP")" "$TMP/img" -t loop -f "$TMP/img"
# A file system that has no fallocate() at all
mkdir "$TMP/ramfs"
mount -t ramfs none "$TMP/ramfs" || die "ramfs"
defer umount "$TMP/ramfs"
fill "$TMP/ramfs/img"
add_dev -t loop -f "$TMP/ramfs/img"
before=$(kernel_errors)
check "ramfs: write zeroes" blkdiscard -z -o 131072 -l 131072 "$BDEV"
check "ramfs: they are zeroes" zeroes_at 131072
check "ramfs: no discard" not blkdiscard -o 0 -l 131072 "$BDEV"
check "ramfs: no error in the kernel log" prints "$before" kernel_errors
del_dev || die "del"

# Errors of the store are in the log: a full file system, a file that got shorter
truncate -s 16M "$TMP/tmpfs/big"
"$UBLK" add -t loop -f "$TMP/tmpfs/big" --foreground >"$TMP/add.out" 2>"$TMP/log" &
busywait 20000 grep -q '^dev id' "$TMP/add.out" || die "no device: $(cat "$TMP/log")"
DEV=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$TMP/add.out")
LIB_DEVS+=("$DEV")
BDEV=/dev/ublkb$DEV
check "the file system gets full" not dd if=/dev/urandom of="$BDEV" bs=256k oflag=direct status=none
check "the log names device, operation, place, errno" grep -qE \
	"dev $DEV: backing store: write at offset [0-9]+, length [0-9]+: No space left on device" "$TMP/log"
truncate -s 1M "$TMP/tmpfs/big"
begin=$SECONDS
logged=$(grep -c "backing store" "$TMP/log")
dd if="$BDEV" of=/dev/null bs=4k count=60 skip=2000 iflag=direct conv=noerror status=none 2>/dev/null
check "a file that is too short" grep -q "it is shorter than the disk" "$TMP/log"
# ten and the number of the others in ten seconds
periods=$(((SECONDS - begin) / 10 + 2))
logged=$(($(grep -c "backing store" "$TMP/log") - logged))
check "60 errors, not all of them are logged" test "$logged" -le $((periods * 11))
del_dev || die "del"
wait
rm "$TMP/tmpfs/big"

# Resize
refuses() {
	says "$@" && grep -q "dev $DEV: " "$TMP/out"
}
img=$(new_file img3 32M)
add_dev -t loop -f "$img" -o 1M
check "resize beyond the file" refuses "has 33554432 bytes, the disk would need 68157440" \
	"$UBLK" resize -n "$DEV" -s 64M
check "the message has the cure" grep -q "truncate -s 68157440" "$TMP/out"
check "the disk is as it was" prints 32505856 blockdev --getsize64 "$BDEV"
truncate -s 68157440 "$img"
check "after the cure" "$UBLK" resize -n "$DEV" -s 64M
check "the disk is larger" prints 67108864 blockdev --getsize64 "$BDEV"
check "smaller" "$UBLK" resize -n "$DEV" -s 16M
del_dev || die "del"
add_dev -t stripe --chunk-size 64K "$(new_file s1 8M)" "$(new_file s2 8M)"
check "a stripe" refuses "$TMP/s1: has 8388608" "$UBLK" resize -n "$DEV" -s 17M
truncate -s 9M "$TMP/s1"
check "a stripe with one larger member" refuses "$TMP/s2: has 8388608" "$UBLK" resize -n "$DEV" -s 17M
truncate -s 9M "$TMP/s2"
check "a stripe with larger members" "$UBLK" resize -n "$DEV" -s 17M
del_dev || die "del"
loop=$(losetup -f --show "$TMP/s1")
add_dev -t loop -f "$loop" -r
check "a block device" refuses "enlarge that device first" "$UBLK" resize -n "$DEV" -s 17M
del_dev || die "del"
losetup -d "$loop"
add_dev -t mem --size 16M
check "memory" refuses "the memory is 16777216 bytes" "$UBLK" resize -n "$DEV" -s 17M
check "memory, smaller" "$UBLK" resize -n "$DEV" -s 8M
check "memory, as before" "$UBLK" resize -n "$DEV" -s 16M
del_dev || die "del"
add_dev -t null
check "nothing to run out of" "$UBLK" resize -n "$DEV" -s 8T
del_dev || die "del"
finish
