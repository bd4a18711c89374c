#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Declared devices: "ublk up", "down" and "apply" do what is missing and nothing else,
# again and again; what cannot be done is said, with the name of the file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3
use_conf_dir
defer "$UBLK" del -a --force

pid_named() {
	"$UBLK" list "$1" | awk '/daemon pid/ { print $7 }'
}

# says TEXT COMMAND...: prints exactly these lines.
says() {
	local want=$1 got
	shift

	got=$("$@") || return
	[ "$got" = "$want" ] || { echo "want: $want"; echo "got: $got"; return 1; }
}

img=$(new_file img 16M)
declare_dev one "# a comment" "" "file = $img" "number = 5" "size = 8M" "depth = 64" \
	"user-recovery = yes"
check "a dry run" says "one: would be added" "$UBLK" up one --dry-run
check "adds nothing" prints "" "$UBLK" list
check "up" says "one: added, /dev/ublkb5" "$UBLK" up one
check "is as declared" sh -c "'$UBLK' list one | grep -q '^dev id 5: nr_hw_queues 1 queue_depth 64 .* dev_capacity 16384'"
check "its server's command line is that of add" sh -c "'$UBLK' list -v one | grep -q 'command ublk add --name=one --type=loop .*--file=$img'"
pid=$(pid_named one)
check "again" says "one: is as declared, /dev/ublkb5" "$UBLK" up one
check "does nothing" test "$(pid_named one)" = "$pid"

declare_dev one "depth = 64" "file = $img" "number = 5" "size = 12M" "user-recovery = 1"
check "another size, and the lines in another order" says "one: would be resized, /dev/ublkb5" "$UBLK" apply --dry-run
check "is not done by a dry run" test "$(blockdev --getsize64 /dev/ublkb5)" = 8388608
check "is done" says "one: resized, /dev/ublkb5" "$UBLK" apply
check "in place" test "$(blockdev --getsize64 /dev/ublkb5) $(pid_named one)" = "12582912 $pid"
check "once" says "one: is as declared, /dev/ublkb5" "$UBLK" apply
check "a size that was changed by hand" "$UBLK" resize -n one -s 4M
check "is changed back" says "one: resized, /dev/ublkb5" "$UBLK" up one
declare_dev one "depth = 32" "file = $img" "number = 5" "size = 14M" "user-recovery = yes" "copy = yes"
check "what cannot be changed in place is said" fails 1 "one.conf" "dev 5" \
	"depth from 64 to 32" "copy from nothing to yes" "ublk down one" -- "$UBLK" up one
check "the size is changed nevertheless" test "$(blockdev --getsize64 /dev/ublkb5)" = 14680064
check "by the same server" test "$(pid_named one)" = "$pid"
check "and said again" fails 1 "depth from 64 to 32" -- "$UBLK" apply --dry-run
check "down" says "one: removed" "$UBLK" down one
check "again" says "one: is not there" "$UBLK" down one
check "up as it is declared now" says "one: added, /dev/ublkb5" "$UBLK" up one
check "with that depth" sh -c "'$UBLK' list one | grep -q 'queue_depth 32'"

# Servers that die.
DEV=5
check "kill -9" kill_daemon
check "a dry run says so" says "one: would be recovered, /dev/ublkb5" "$UBLK" up --all --dry-run
check "is recovered" says "one: recovered, /dev/ublkb5" "$UBLK" up --all
check "and is still declared" says "one: is as declared, /dev/ublkb5" "$UBLK" up --all
declare_dev two "type = null" "timeout = 30"
check "a second one" says $'one: is as declared, /dev/ublkb5\ntwo: added, /dev/ublkb0' "$UBLK" up --all
DEV=0
check "kill -9 of one that cannot be recovered" kill_daemon DEAD
check "is added again" says "two: had no server, added again, /dev/ublkb0" "$UBLK" up two
declare_dev two "type = null" "timeout = 31"
check "a word without effect on a live device" says "two: is as declared, /dev/ublkb0" "$UBLK" up two

check "stop" "$UBLK" stop two
check "leaves its name" sh -c "'$UBLK' list two | grep -q 'state DEAD'"
check "a dry run" says "two: has no server, would be added again, /dev/ublkb0" "$UBLK" up two --dry-run
check "up brings it back" says "two: had no server, added again, /dev/ublkb0" "$UBLK" up two
check "stop of one with a number" "$UBLK" stop one
check "up brings it back, too" says "one: had no server, added again, /dev/ublkb5" "$UBLK" up one
check "with its number" state_is 5 LIVE

# A disk in use.
mkfs.ext4 -q /dev/ublkb5 2>/dev/null || die "mkfs.ext4"
mkdir "$TMP/mnt"
mount /dev/ublkb5 "$TMP/mnt" || die "mount"
defer umount -q "$TMP/mnt"
check "a disk in use is not taken away" fails 7 "$TMP/mnt" -- "$UBLK" down one
umount "$TMP/mnt"
rm "$UBLK_CONF_DIR/one.conf"
check "a declaration that is gone" says $'one: would be removed\ntwo: is as declared, /dev/ublkb0' "$UBLK" apply --dry-run
check "its device goes" says $'one: removed\ntwo: is as declared, /dev/ublkb0' "$UBLK" apply
check "down of all" says "two: removed" "$UBLK" down --all
rm "$UBLK_CONF_DIR/two.conf"

# One disk on another: the order of their names is the wrong one.
truncate -s 32M "$TMP/below.img"
declare_dev a-above "file = /dev/ublkb9" "number = 8"
declare_dev b-below "file = $TMP/below.img" "number = 9"
check "a chain" says $'b-below: added, /dev/ublkb9\na-above: added, /dev/ublkb8' "$UBLK" apply
check "goes as well" sh -c "'$UBLK' down b-below a-above >/dev/null && test ! -e /dev/ublkc9"

# Two that want the same.
declare_dev c-same "file = $TMP/below.img" "number = 3"
check "a store of two" fails 7 b-below.conf c-same.conf "$TMP/below.img" -- "$UBLK" up c-same
declare_dev c-same "type = null" "number = 9"
check "a number of two" fails 7 b-below.conf c-same.conf "number 9" -- "$UBLK" up c-same
check "goes neither way" fails 7 b-below.conf c-same.conf "number 9" -- "$UBLK" up b-below
rm "$UBLK_CONF_DIR"/*

# What is not from a declaration.
add_dev -t null --name mine
declare_dev mine "type = null"
check "a device of the same name" fails 7 mine.conf "dev $DEV" "ublk del $DEV" -- "$UBLK" up mine
check "is not taken away either" fails 7 "dev $DEV" "ublk del $DEV" -- "$UBLK" down mine
check "it is there" test -e "/dev/ublkc$DEV"
check "apply leaves it alone" fails 7 mine.conf -- "$UBLK" apply
rm "$UBLK_CONF_DIR/mine.conf"
check "also without the file" says "" "$UBLK" apply
del_dev || die "deleting device $DEV"

# Wrong files, and none.
declare_dev bad "type = null" "dpeth = 3"
declare_dev good "type = null"
check "a wrong line" fails 1 "bad.conf:2" '"depth"' -- "$UBLK" up bad
check "does not keep the others" fails 1 "bad.conf:2" -- "$UBLK" up --all
check "from coming up" says "good: is as declared, /dev/ublkb0" "$UBLK" up good
check "all go" sh -c "'$UBLK' down --all | grep -q 'good: removed'"
rm "$UBLK_CONF_DIR/bad.conf"
declare_dev gone "file = $TMP/nosuch"
check "a store that is not there" fails 1 "gone.conf:1" nosuch -- "$UBLK" up gone
check "no such declaration" fails 3 "nothere.conf" -- "$UBLK" up nothere
check "nor device" fails 3 "nothere.conf" -- "$UBLK" down nothere
rm "$UBLK_CONF_DIR"/*
check "nothing is declared" says "" "$UBLK" apply
check "nothing is left" prints "" "$UBLK" list
finish
