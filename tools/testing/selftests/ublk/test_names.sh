#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Names of devices: what a name may be, where it stands for the device, the link in
# /dev/disk/by-ublk, recovery, and the first steps of a new user.
#
# runner: udev stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 capsh sfdisk feature:UNPRIVILEGED_DEV
use_udev_rules
by=/dev/disk/by-ublk
img=$(new_file img 16M)

links_to() {
	[ "$(readlink -f "$1")" = "$2" ] || { ls -l "$by"; return 1; }
}

add_dev --name scratch -r --timeout 30 "$img"
check "the link is there when add returns" links_to "$by/scratch" "$BDEV"
check "list shows the name" grep -q "^	name scratch$" <("$UBLK" list -n scratch)
check "udev-name prints it" prints scratch "$UBLK" udev-name "ublkb$DEV"
"$UBLK" list -n "$DEV" >"$TMP/list"
for word in scratch "$DEV" "ublkb$DEV" "$BDEV" "ublkc$DEV" "/dev/ublkc$DEV" "$by/scratch"; do
	check "list -n $word" cmp "$TMP/list" <("$UBLK" list -n "$word")
done
check "resize by name" "$UBLK" resize -n scratch -s 8M
check "its size" prints 8388608 blockdev --getsize64 "$by/scratch"
check "set-affinity by name" "$UBLK" set-affinity -n scratch -q 0 --cpus 0
check "the name is in use" fails 7 "device $DEV has the name" -- \
	"$UBLK" add -t null --name scratch
check "that leaves no device" prints "$DEV" sh -c "cd /sys/class/ublk-char && echo ublkc* | tr -d ublkc"
check "no such name" fails 3 '"scratch"?' -- "$UBLK" del -n scrtach
check "a name is no number" fails 2 --name -- "$UBLK" add -t null --name 17
check "nor a node" fails 2 --name -- "$UBLK" add -t null --name ublkb3

check "partitions have links" sh -c "echo ',4M' | sfdisk -q '$by/scratch' && udevadm settle"
check "of the partition" busywait 5000 links_to "$by/scratch-part1" "${BDEV}p1"

check "the daemon is killed" kill_daemon
check "the name still means the device" grep -q QUIESCED <("$UBLK" list -n scratch)
check "recover by name" "$UBLK" recover -n scratch
check "the name stays" grep -q "^	name scratch$" <("$UBLK" list -n "$DEV")
check "the link stays" links_to "$by/scratch" "$BDEV"
check "quiesce by name" "$UBLK" quiesce -n scratch
check "another name at recovery" "$UBLK" recover scratch --name other
check "it has that name" grep -q "^	name other$" <("$UBLK" list -n other)
check "and not the old one" fails 3 scratch -- "$UBLK" list -n scratch
check "delete by name" "$UBLK" del other
check "the link is gone" busywait 5000 not test -e "$by/other"

# The names of ordinary users are no links, and do not keep root from one.
mkdir "$TMP/run"
chmod 755 "$TMP"
chown nobody "$TMP/run"
chmod 666 /dev/ublk-control
defer chmod 600 /dev/ublk-control
as_user() {
	capsh --user=nobody -- -c "cd / && UBLK_RUN_DIR='$TMP/run' exec $(printf '%q ' "$@")"
}
check "a user's device" as_user "$PROG" add -t null --unprivileged --name mine -n 9
LIB_DEVS+=(9)
check "no link" sh -c "udevadm settle; test ! -e $by/mine"
check "the user has the name" grep -q "^dev id 9:" <(as_user "$PROG" list -n mine)
check "root has not" fails 3 mine -- "$UBLK" list -n mine
check "the user deletes it" as_user "$PROG" del mine

# From the manual page, with nothing but it: a file system, a second disk by name,
# who uses it, and away again.
cat >"$TMP/steps" <<'EOF'
truncate -s 32M disk.img
ublk add disk.img
mkfs.ext4 -q /dev/ublkb0
mount /dev/ublkb0 mnt
ublk add --name scratch -t mem --size 16M
! ublk rm /dev/ublkb0 2>busy
umount mnt
ublk rm -a
EOF
first_steps() {
	mkdir "$TMP/new" "$TMP/new/mnt" &&
		(cd "$TMP/new" && PATH=$(dirname "$PROG"):$PATH &&
			timeout "$((60 * SCALE))" bash -ex "$TMP/steps") &&
		grep -q "mounted on $TMP/new/mnt" "$TMP/new/busy"
}
if [ -e /dev/ublkc0 ]; then
	skip "first steps" "device 0 is in use"
else
	check "first steps" first_steps
	check "nothing is left" prints "" "$UBLK" list
fi
finish
