#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# File systems for zoned disks, if they are installed: files are unchanged when the
# disk has been added again with its file. btrfs writes its data by zone append,
# f2fs resets and reuses zones, zonefs shows each zone as a file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED cmp
[ -x "$LIB_DIR/zone_tool" ] || skip_all "zone_tool is not built"
mnt=$TMP/mnt
mkdir "$mnt" "$TMP/src"

compare() {
	"$LIB_DIR/zone_tool" compare "$BDEV" "$img"
}

# fs_test TYPE MKFS... : MKFS is run with the device as last argument
fs_test() {
	local type=$1
	shift

	check "$type: mkfs" timeout "$((60 * SCALE))" "$@" "$BDEV"
	check "$type: mount" mount -t "$type" "$BDEV" "$mnt"
	check "$type: copy files" cp -r "$TMP/src" "$mnt/"
	check "$type: change some" cp "$TMP/src/file9" "$mnt/src/file8"
	cp "$TMP/src/file8" "$mnt/src/other"
	check "$type: umount" umount "$mnt"
	check "$type: the report matches the file" compare
	check "$type: add the disk again" eval "del_dev && try_add -t zoned \$img"
	check "$type: mount again" mount -t "$type" "$BDEV" "$mnt"
	check "$type: a changed file" cmp "$TMP/src/file9" "$mnt/src/file8"
	check "$type: a new file" cmp "$TMP/src/file8" "$mnt/src/other"
	check "$type: the others" diff -rq -x file8 -x other "$TMP/src" "$mnt/src"
	check "$type: remove them" rm -rf "$mnt/src"
	check "$type: umount again" umount "$mnt"
	check "$type: the report again" compare
	check "$type: delete" del_dev
}

# new_disk SIZE OPTION...
new_disk() {
	rm -f "$TMP/img"
	img=$(new_file img 0)
	add_dev -t zoned --size "$@" -q 2 "$img"
}

for i in $(seq 40); do
	head -c "$((i * 30011))" /dev/urandom >"$TMP/src/file$i"
done
defer umount "$mnt"

if command -v mkfs.btrfs >/dev/null && modprobe -q btrfs; then
	new_disk 512M --zone-size 16M --max-active 16
	fs_test btrfs mkfs.btrfs -q -f -d single -m single -O zoned
else
	skip "btrfs" "no mkfs.btrfs, or no btrfs in this kernel"
fi
if command -v mkfs.f2fs >/dev/null && modprobe -q f2fs; then
	new_disk 512M --zone-size 4M --nr-conv 24
	fs_test f2fs mkfs.f2fs -q -f -m
else
	skip "f2fs" "no mkfs.f2fs, or no f2fs in this kernel"
fi

if command -v mkzonefs >/dev/null && modprobe -q zonefs; then
	new_disk 64M --zone-size 4M --nr-conv 1
	check "zonefs: mkfs" mkzonefs -f "$BDEV"
	check "zonefs: mount" mount -t zonefs "$BDEV" "$mnt"
	check "zonefs: a zone" dd if="$TMP/src/file40" of="$mnt/seq/3" bs=4k \
		count=200 oflag=direct,append conv=notrunc status=none
	check "zonefs: its size" prints 819200 stat -c %s "$mnt/seq/3"
	check "zonefs: more of it" dd if="$TMP/src/file40" of="$mnt/seq/3" bs=4k \
		count=10 oflag=direct,append conv=notrunc status=none
	check "zonefs: a whole zone by truncating" truncate -s 4M "$mnt/seq/5"
	check "zonefs: and none" truncate -s 0 "$mnt/seq/5"
	check "zonefs: contents" cmp -n 819200 "$TMP/src/file40" "$mnt/seq/3"
	check "zonefs: umount" umount "$mnt"
	check "zonefs: the report matches the file" compare
	check "zonefs: add the disk again" eval "del_dev && try_add -t zoned \$img"
	check "zonefs: mount again" mount -t zonefs "$BDEV" "$mnt"
	check "zonefs: its size again" prints 860160 stat -c %s "$mnt/seq/3"
	check "zonefs: umount again" umount "$mnt"
else
	skip "zonefs" "no mkzonefs, or no zonefs in this kernel"
fi
finish
