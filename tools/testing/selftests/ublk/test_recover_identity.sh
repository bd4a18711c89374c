#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The same store or none: "ublk recover" refuses a file that was replaced under its
# name, is missing or shorter, and a block device that is another disk or partition,
# with a message that says what differs. The device then waits as before. A file that
# was moved or has grown is the same one. --force overrides.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY cmp mkfs.ext4 losetup sfdisk partx module:loop

recover() {
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" "$@" >/dev/null
}

# refused FILE WORD... [-- OPTION...]: one line that names the device, the file and
# these words; status 1; the device waits.
refused() {
	local words=("dev $DEV:")

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	fails 1 "${words[@]}" -- "$UBLK" recover -n "$DEV" "$@" &&
		state_is "$DEV" QUIESCED
}

same_data() {
	cmp -n "$(stat -c %s "$TMP/data")" "$TMP/data" "$BDEV"
}

dd if=/dev/urandom of="$TMP/data" bs=1M count=4 status=none

# loop on a file
img=$(new_file img 16M)
add_dev -t loop -r -f "$img"
check "loop: write" dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "loop: kill" kill_daemon
mv "$img" "$TMP/away"
check "loop: a missing file" refused "$img" "No such file" "put it back"
truncate -s 16M "$img"
check "loop: another file of that name" refused "$img" "another file" inode found expected \
	--force
check "loop: nothing was written to it" cmp -n 16777216 "$img" /dev/zero
check "loop: also with options" refused "$img" "another file" --force -- -t loop -f "$img"
check "loop: the file under its new name" recover -t loop -f "$TMP/away"
check "loop: the data" same_data
check "loop: kill again" kill_daemon
check "loop: with what that recovery recorded" recover
check "loop: same data" same_data

check "loop: kill, to shorten" kill_daemon
truncate -s 12M "$TMP/away"
check "loop: a shorter file" refused "$TMP/away" shorter 12582912 16777216 enlarge --force
truncate -s 16M "$TMP/away"
check "loop: long enough again" recover
check "loop: kill, to lengthen" kill_daemon
truncate -s 24M "$TMP/away"
check "loop: a longer file" recover
check "loop: kill, to shorten again" kill_daemon
truncate -s 16M "$TMP/away"
check "loop: as long as it was" recover
truncate -s 20M "$TMP/away"
check "loop: kill, to change the place" kill_daemon
check "loop: another --offset" refused "--offset 0s" --force -- \
	-t loop --offset 4M -f "$TMP/away"
check "loop: another target" refused "-t loop" --force -- -t null
cp "$TMP/away" "$img"
check "loop: a copy is another file" refused "$img" "another file" -- -t loop -f "$img"
check "loop: forced" recover --force -t loop -f "$img"
check "loop: the copy has the data" same_data
check "loop: kill, for the record of the forced one" kill_daemon
check "loop: recovered without options" recover
check "loop: data of the copy" same_data

# resize, then a shorter file
check "loop: resize" "$UBLK" resize -n "$DEV" -s 8M
truncate -s 8M "$img"
check "loop: kill, when resized" kill_daemon
check "loop: shortened after its disk" recover
check "loop: data at the start" same_data
truncate -s 32M "$img"
check "loop: resize to more" "$UBLK" resize -n "$DEV" -s 32M
check "loop: kill, when enlarged" kill_daemon
check "loop: lengthened before its disk" recover
check "loop: size" prints 33554432 blockdev --getsize64 "$BDEV"
check "loop: kill, to shorten below" kill_daemon
truncate -s 16M "$img"
check "loop: shorter than the disk" refused "$img" "enlarge"
check "loop: not even by force" refused "$img" "enlarge" -- --force
check "loop: delete" del_dev

# A record that has no identity, as an older program wrote it.
img=$(new_file old 8M)
add_dev -t loop -r -f "$img"
check "old record: write" dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "old record: kill" kill_daemon
record=/run/ublk/$DEV.json
sed -i '/"stores": \[/,/^  \]/d' "$record"
check "old record: has no identity" not grep -q stores "$record"
# one comma too many or too few would make it damaged
check "old record: recover" recover
check "old record: data" same_data
check "old record: it has the identity now" grep -q '"ino"' "$record"
check "old record: delete" del_dev

# An inode number that is used again: ext4 takes the lowest free one.
new_file fs 64M >/dev/null
mkfs.ext4 -q "$TMP/fs"
mkdir "$TMP/mnt"
mount -o loop "$TMP/fs" "$TMP/mnt"
defer umount "$TMP/mnt"
img=$TMP/mnt/img
truncate -s 8M "$img"
ino=$(stat -c %i "$img")
add_dev -t loop -r -f "$img"
check "inode: kill" kill_daemon
# the dead daemon's ring has the file open for writing for a moment
check "inode: the file system is read-only now" busywait 5000 mount -o remount,ro "$TMP/mnt"
check "inode: a file that cannot be written" refused "$img" "Read-only file system"
check "inode: it can be written again" mount -o remount,rw "$TMP/mnt"
# The dead daemon's ring has the file open for a moment; the number is free after it.
reused() {
	rm -f "$img"
	sync -f "$TMP/mnt"
	truncate -s 8M "$img"
	[ "$(stat -c %i "$img")" = "$ino" ]
}
if busywait 5000 reused; then
	check "inode: a new file with the old number" refused "$img" "another file" "birth time"
else
	skip "inode: a new file with the old number" "the file system uses other numbers"
fi
check "inode: delete" del_dev
umount "$TMP/mnt"

# Block devices: a loop device of the kernel that gets another file, partitions.
new_file one 8M >/dev/null
new_file two 8M >/dev/null
lo=$(losetup -f --show "$TMP/one")
defer losetup -d "$lo"
add_dev -t loop -r -f "$lo"
check "disk: kill" kill_daemon
check "disk: recover" recover
check "disk: kill again" kill_daemon
detached() {
	losetup -d "$lo" && busywait 10000 not losetup "$lo"
}
check "disk: detach" detached
check "disk: no disk" refused "$lo" --
losetup "$lo" "$TMP/two"
check "disk: another one with that name" refused "$lo" "another disk" diskseq --force
check "disk: forced" recover --force
check "disk: delete" del_dev
detached

new_file parts 16M >/dev/null
echo "start=2048,size=8192" | sfdisk -q "$TMP/parts"
lo=$(losetup -P -f --show "$TMP/parts")
defer losetup -d "$lo"
busywait 5000 test -b "${lo}p1" || die "no ${lo}p1"
add_dev -t loop -r -f "${lo}p1"
check "partition: kill" kill_daemon
check "partition: recover" recover
check "partition: kill again" kill_daemon
echo "start=4096,size=8192" >"$TMP/table"
replaced() {
	sfdisk -q --no-reread "$lo" <"$TMP/table" && busywait 5000 partx -u "$lo" &&
		[ "$(cat "/sys/class/block/${lo#/dev/}p1/start")" = 4096 ]
}
check "partition: another one of that name" replaced
check "partition: refused" refused "${lo}p1" another "than before" --force
check "partition: delete" del_dev

# stripe
files=("$(new_file s1 8M)" "$(new_file s2 8M)" "$(new_file s3 8M)")
add_dev -t stripe -r "${files[@]}"
check "stripe: write" dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "stripe: kill" kill_daemon
mv "${files[1]}" "$TMP/away2"
truncate -s 8M "${files[1]}"
check "stripe: one member was replaced" refused "${files[1]}" "another file"
mv "$TMP/away2" "${files[1]}"
check "stripe: another order" refused "another file" -- -t stripe \
	"${files[0]}" "${files[2]}" "${files[1]}"
check "stripe: fewer" refused "found 2, expected 3" -- -t stripe "${files[@]:0:2}"
check "stripe: another chunk" refused "--chunk-size 65536" -- -t stripe \
	--chunk-size 32K "${files[@]}"
check "stripe: the same" recover -t stripe "${files[@]}"
check "stripe: data" same_data
check "stripe: delete" del_dev

# zoned: its file is written while it is used
img=$TMP/zoned
truncate -s 0 "$img"
if has_feature ZONED && try_add -t zoned -r --size 16M --zone-size 4M "$img"; then
	dd if="$TMP/data" of="$BDEV" bs=64k count=16 oflag=direct status=none
	check "zoned: kill" kill_daemon
	check "zoned: recover" recover
	check "zoned: data" cmp -n 1048576 "$TMP/data" "$BDEV"
	check "zoned: kill again" kill_daemon
	mv "$img" "$TMP/zoned.away"
	truncate -s 0 "$img"
	check "zoned: an empty file" refused "$img" "another file"
	check "zoned: also by force" refused "$img" "is empty" -- --force
	check "zoned: which has not been written" prints 0 stat -c %s "$img"
	mv "$TMP/zoned.away" "$img"
	check "zoned: its own" recover
	check "zoned: same data" cmp -n 1048576 "$TMP/data" "$BDEV"
	check "zoned: delete" del_dev
else
	skip "zoned" "no zoned disks"
fi
finish
