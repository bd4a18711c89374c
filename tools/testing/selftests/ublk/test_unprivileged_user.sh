#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An unprivileged user adds a device, makes a file system on it and deletes it, but
# sees no other device. udev gives the nodes to the user, by the rule of the ublk
# tree.
#
# runner: udev stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:UNPRIVILEGED_DEV capsh udevadm mkfs.ext4 e2fsck

use_udev_rules
# Another rule opens the control device.
echo 'KERNEL=="ublk-control", MODE="0666"' >/run/udev/rules.d/61-ublk-test.rules
remove_rule() {
	rm -f /run/udev/rules.d/61-ublk-test.rules
	chmod 600 /dev/ublk-control
}
defer remove_rule
udevadm control --reload
udevadm trigger --action=change --settle /dev/ublk-control

chmod 755 "$TMP"
mkdir "$TMP/run" "$TMP/home"
chown -R nobody "$TMP/run" "$TMP/home"
gid=$(id -g nobody)

# as_user COMMAND...: run it as "nobody", without capabilities.
as_user() {
	local line

	line="cd '$TMP/home' && UBLK_RUN_DIR='$TMP/run' exec $(printf '%q ' "$@")"
	timeout "$((60 * SCALE))" capsh --user=nobody -- -c "$line"
}

# Note the device that the last "add" printed, for the test and the cleanup.
user_add() {
	as_user "$PROG" add "$@" >"$TMP/add.out" || return
	cat "$TMP/add.out"
	DEV=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$TMP/add.out")
	[ -n "$DEV" ] || return
	LIB_DEVS+=("$DEV")
	BDEV=/dev/ublkb$DEV
}

# refused WORD COMMAND...: the command fails and prints one line with the word.
refused() {
	local word=$1
	shift

	if as_user "$@" >"$TMP/out" 2>"$TMP/err"; then
		return 1
	fi
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] && grep -qi -- "$word" "$TMP/err"
}

as_user truncate -s 32M img
check "everybody may open the control device" prints 666 stat -c %a /dev/ublk-control
check "the user adds a device" user_add -t loop -f img --unprivileged
check "the char node is the user's" prints "$(id -u nobody) $gid 600" stat -c '%u %g %a' "/dev/ublkc$DEV"
check "the disk is the user's" prints "$(id -u nobody) $gid 600" stat -c '%u %g %a' "$BDEV"
check "flag" grep -q UNPRIVILEGED_DEV "$TMP/add.out"
check "udev-owner prints the user" prints "$(id -u nobody) $gid" "$PROG" udev-owner "ublkc$DEV"
check "the user writes to it" as_user dd if=/dev/zero of="$BDEV" bs=64k count=16 \
	oflag=direct status=none
check "the user reads from it" as_user dd if="$BDEV" of=/dev/null bs=64k count=16 \
	iflag=direct status=none
check "the user makes a file system" as_user mkfs.ext4 -q "$BDEV"
check "which is sound" as_user e2fsck -fn "$BDEV"
check "the user lists it" prints "dev id $DEV:" sh -c \
	"capsh --user=nobody -- -c '$PROG list' | grep -o '^dev id [0-9]*:'"
mine=$DEV

add_dev -t null
other=$DEV
check "the administrator's device is not accessible" not as_user dd if="$BDEV" of=/dev/null \
	bs=4k count=1 status=none
check "nor can it be deleted" refused root "$PROG" del -n "$other"
check "it has no owner" not "$PROG" udev-owner "ublkb$other"
check "without --unprivileged nothing can be added" refused root "$PROG" add -t null
max=/sys/module/ublk_drv/parameters/ublks_max
old=$(cat $max)
defer sh -c "echo $old >$max"
echo 0 >$max
check "too many: names the parameter" refused "ublks_max allows, which is 0" \
	"$PROG" add -t null --unprivileged
echo "$old" >$max
check "--unprivileged and -r" refused recover "$PROG" add -t null --unprivileged -r
check "--unprivileged by the administrator" not "$PROG" add -t null --unprivileged
check "that leaves no device" test ! -e "/dev/ublkc$((other + 1))"
check "deleted" del_dev "$other"

check "the user resizes the device" as_user "$PROG" resize -n "$mine" -s 16M
check "the user stops it" as_user "$PROG" stop -n "$mine"
check "the user deletes it" as_user "$PROG" del -n "$mine"
check "it is gone" busywait 5000 not test -e "/dev/ublkc$mine"
check "nothing of it is left" prints "" ls "$TMP/run"
finish
