#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A disk that is mounted, swap, or under another device is neither deleted nor
# stopped without --force, and the refusal names who uses it, as does "list -v". A
# disk that is only open is. "del -a" takes a stack from the top.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 mkswap swapon sfdisk losetup unshare module:loop

# refused WORD... -- COMMAND...: status 7, one line with these words, and the disk
# stays.
refused() {
	fails 7 "$@" && [ -b "$BDEV" ]
}

# listed TEXT [OPTION...]: "list -v" has it.
listed() {
	local text=$1 said
	shift

	said=$("$UBLK" list -v "$@") && printf '%s\n' "$said" && [[ $said == *"$text"* ]]
}

gone() {
	[ ! -e "/dev/ublkb$1" ] && [ ! -e "/dev/ublkc$1" ]
}

del=("$UBLK" del)
stop=("$UBLK" stop)
mkdir "$TMP/mnt" "$TMP/two words"

# A file system.
add_dev -t mem -s 32M
mkfs.ext4 -q "$BDEV"
mount "$BDEV" "$TMP/two words"
defer umount "$TMP/two words"
check "mounted: del" refused "dev $DEV" "ublkb$DEV" "$TMP/two words" umount --force -- \
	"${del[@]}" -n "$DEV"
check "mounted: del --async" refused "$TMP/two words" -- "${del[@]}" -n "$DEV" --async
check "mounted: del -a" refused "$TMP/two words" -- "${del[@]}" -a
check "mounted: stop" refused "$TMP/two words" --force -- "${stop[@]}" -n "$DEV"
check "mounted: list -v" listed "used by ublkb$DEV is mounted on $TMP/two words ("
check "mounted: list -v --json" listed "is mounted on $TMP/two words" --json
check "the file system works" sh -c "echo x >'$TMP/two words/x' && sync '$TMP/two words/x'"
umount "$TMP/two words"
check "unmounted: list -v" listed "used by nobody"
exec 4<"$BDEV"
check "open: list -v" listed "used by process $$ ("
exec 4<&-

# In a mount namespace of another process only.
mkfifo "$TMP/go"
unshare -m sh -c "mount '$BDEV' '$TMP/mnt' && echo >'$TMP/ready' && read -r _ <'$TMP/go'" &
other=$!
check "mounted elsewhere" busywait 10000 test -e "$TMP/ready"
check "mounted elsewhere: del" refused "$TMP/mnt" "$other" -- "${del[@]}" -n "$DEV"
echo >"$TMP/go"
wait "$other"

# Swap.
mkswap "$BDEV" >/dev/null
check "swap is on" swapon "$BDEV"
defer swapoff "$BDEV"
check "swap: del" refused swapoff "$BDEV" -- "${del[@]}" -n "$DEV"
check "swap: stop" refused swapoff "$BDEV" -- "${stop[@]}" -n "$DEV"
swapoff "$BDEV"

# A loop device of the kernel.
loop=$(losetup --find --show "$BDEV")
check "loop: del" refused "$loop" losetup -- "${del[@]}" -n "$DEV"
losetup -d "$loop"

# A partition, bound to an array of md.
echo ',8M' | sfdisk -q "$BDEV"
check "partition" busywait 5000 test -b "${BDEV}p1"
if modprobe -q md_mod && modprobe -q raid0 &&
	echo md_ublktest >/sys/module/md_mod/parameters/new_array; then
	md=/sys/block/md_ublktest/md
	defer sh -c "echo clear >$md/array_state"
	echo raid0 >$md/level
	echo 2 >$md/raid_disks
	cat "/sys/class/block/ublkb${DEV}p1/dev" >$md/new_dev
	check "md: del" refused "ublkb${DEV}p1" md_ublktest -- "${del[@]}" -n "$DEV"
	echo clear >$md/array_state
	check "md: gone" busywait 5000 not ls "/sys/class/block/ublkb${DEV}p1/holders/"*
else
	skip "md: del" "no md"
fi
mkfs.ext4 -q "${BDEV}p1"
mount "${BDEV}p1" "$TMP/mnt"
defer umount "$TMP/mnt"
check "partition is mounted: del" refused "ublkb${DEV}p1" "$TMP/mnt" -- "${del[@]}" -n "$DEV"
check "deleted with --force, its number is in use" fails 6 "dev $DEV" "still in use" -- \
	"${del[@]}" -n "$DEV" --force --timeout 1
umount "$TMP/mnt"
check "its number is free when it is unmounted" busywait 10000 gone "$DEV"

# The same with stop.
add_dev -t mem -s 16M --no-auto-part-scan
mkfs.ext4 -q "$BDEV"
mount "$BDEV" "$TMP/mnt"
check "stopped with --force" "${stop[@]}" -n "$DEV" --force
umount "$TMP/mnt"
check "stopped: resize" fails 1 "dev $DEV" stopped "ublk del" -- "$UBLK" resize -n "$DEV" -s 8M
check "stopped: quiesce" fails 1 "dev $DEV" -- "$UBLK" quiesce -n "$DEV"
check "stopped: set-affinity" fails 1 "dev $DEV" DEAD -- \
	"$UBLK" set-affinity -n "$DEV" -q 0 --cpus 0
check "stopped: deleted" del_dev

# A process that has the raw disk open is no reason; but the number waits for it.
add_dev -t null --no-auto-part-scan
exec 9<"$BDEV"
check "open: --if-unused names the process" fails 7 "process $$" -- \
	"${stop[@]}" -n "$DEV" --if-unused
check "open: the disk is deleted" fails 6 "dev $DEV" "still in use" "process $$" -- \
	"${del[@]}" -n "$DEV" --timeout 1
check "open: it has no disk" not test -e "$BDEV"
exec 9<&-
check "open: gone after close" busywait 10000 gone "$DEV"

# A daemon that is stopped, without a request: its char node stays open.
add_dev -t null --no-auto-part-scan
pid=$(pid_of "$DEV")
kill -STOP "$pid"
busywait 5000 halted "$pid"
check "stopped daemon: del" fails 6 "dev $DEV" "$pid" stopped "kill -CONT" -- \
	"${del[@]}" -n "$DEV" --timeout 1
kill -CONT "$pid"
check "stopped daemon: gone when it continues" busywait 10000 gone "$DEV"

# A stack: a disk on a disk, and a file of a file system on that one.
add_dev -t mem -s 64M --no-auto-part-scan
bottom=$DEV
add_dev -t loop -f "$BDEV" --no-auto-part-scan
middle=$DEV
mkfs.ext4 -q "$BDEV"
mount "$BDEV" "$TMP/mnt"
truncate -s 8M "$TMP/mnt/img"
add_dev -t loop -f "$TMP/mnt/img" --no-auto-part-scan
top=$DEV
BDEV=/dev/ublkb$bottom
check "store: del" refused "dev $bottom" "device $middle" -- "${del[@]}" -n "$bottom"
BDEV=/dev/ublkb$middle
check "store: del, mounted" refused "$TMP/mnt" "device $top" -- "${del[@]}" -n "$middle"

# The mount refuses the middle, which refuses the bottom: two lines, once each.
del_stack() {
	"${del[@]}" -a 2>"$TMP/err"
	[ $? -eq 7 ] || { echo "status"; return 1; }
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 2 ] && [ "$(sort -u "$TMP/err" | wc -l)" -eq 2 ] &&
		grep -q "dev $middle: .*$TMP/mnt" "$TMP/err" &&
		grep -q "dev $bottom: .*device $middle" "$TMP/err" && gone "$top"
}
check "stack: del -a leaves what is mounted" del_stack
umount "$TMP/mnt"
check "stack: del -a" "${del[@]}" -a
check "stack: nothing is left" prints "" "$UBLK" list

# Two pairs in the wrong order of numbers.
add_dev -t mem -n 9 -s 16M --no-auto-part-scan
add_dev -t loop -n 3 -f /dev/ublkb9 --no-auto-part-scan
add_dev -t mem -n 1 -s 16M --no-auto-part-scan
add_dev -t loop -n 7 -f /dev/ublkb1 --no-auto-part-scan
check "two stacks: del -a" "${del[@]}" -a
check "two stacks: nothing is left" prints "" "$UBLK" list
check "nothing to delete" "${del[@]}" -a
finish
