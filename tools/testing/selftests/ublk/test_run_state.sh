#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# State first: the run-state file is there when the disk starts, so a daemon that dies
# at its first request can be replaced. Without the file, or with a damaged one, target
# and options come from the command line. Without space for a new file, a recovery goes
# on with the old one, and "add" leaves nothing.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY cmp

export UBLK_RUN_DIR=$TMP/run
mkdir "$UBLK_RUN_DIR"
mount -t tmpfs -o size=64k ublk-run "$UBLK_RUN_DIR"
defer umount "$UBLK_RUN_DIR"

recover() {
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" "$@" >/dev/null 2>"$TMP/err"
}

fill() {
	cat /dev/zero >"$UBLK_RUN_DIR/fill" 2>/dev/null
	# not a byte is left
	not sh -c "echo x >>'$UBLK_RUN_DIR/fill'"
}

same_data() {
	cmp -n 1048576 "$TMP/data" "$BDEV"
}

dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
img=$(new_file img 8M)
dd if="$TMP/data" of="$img" conv=notrunc status=none

# The first request, of the partition scan, kills the daemon.
"$UBLK" add -t fault -r -n 9 --rule read:die=submit "$img" >"$TMP/out" 2>"$TMP/err"
DEV=9
BDEV=/dev/ublkb9
LIB_DEVS+=(9)
if busywait 10000 state_is 9 QUIESCED; then
	check "dead at the first request: its record is there" grep -q '"stores"' \
		"$UBLK_RUN_DIR/9.json"
	check "dead at the first request: recovered without the rule" recover -t fault "$img"
	check "dead at the first request: serves" same_data
	check "dead at the first request: deleted" del_dev
else
	skip "dead at the first request" "no request came"
fi

add_dev -t loop -r -q 2 --mlock --per-io-threads 2 --copy -f "$img"
record=$UBLK_RUN_DIR/$DEV.json
check "nothing else is in the directory" prints "$DEV.json" ls "$UBLK_RUN_DIR"
check "kill" kill_daemon
mv "$record" "$TMP/record"
check "lost: says how" fails 1 "$record" "No such file" "-t TARGET" "ublk del -n $DEV" -- \
	"$UBLK" recover -n "$DEV"
check "lost: the device waits" state_is "$DEV" QUIESCED
check "lost: recovered by options" recover -t loop --per-io-threads 2 --mlock -f "$img"
check "lost: a warning that nothing was compared" grep -q "not checked" "$TMP/err"
check "lost: data" same_data
# All but the process, its threads, and the size, which is now that of the disk.
lasting() {
	grep -v -e '"pid"' -e '^    [0-9]' -e '^    "size"' "$1"
}
check "lost: there is a record again" cmp <(lasting "$TMP/record") <(lasting "$record")
check "kill, with that" kill_daemon
check "recover from it" recover
check "kill, to damage it" kill_daemon

head -c 300 "$record" >"$TMP/cut"
cp "$record" "$TMP/record"
cat "$TMP/cut" >"$record"
check "damaged: says so" fails 1 "$record" "is damaged" "-t TARGET" -- \
	"$UBLK" recover -n "$DEV"
check "damaged: the whole line of add" recover -t loop -r -q 2 --mlock \
	--per-io-threads 2 --copy -f "$img"
check "damaged: data" same_data
check "damaged: the new record" grep -q '"stores"' "$record"

check "kill, for a record of another device" kill_daemon
sed -i 's/"queues": 2/"queues": 3/' "$record"
check "foreign: says so" fails 1 earlier "-t TARGET" -- "$UBLK" recover -n "$DEV"
check "foreign: recovered" recover -t loop -f "$img"

# no space
check "kill, to fill the directory" kill_daemon
cp "$record" "$TMP/record"
check "fill it" fill
check "full: recover" recover
check "full: a warning" grep -q "$record: No space left" "$TMP/err"
check "full: state" state_is "$DEV" LIVE
check "full: data" same_data
check "full: the old record" cmp "$record" "$TMP/record"
check "full: list has the target" grep -q "^	target loop.*$img" <("$UBLK" list -n "$DEV")
check "full: kill" kill_daemon
check "full: again" recover
check "full: resize" "$UBLK" resize -n "$DEV" -s 4M
check "full: record of before" cmp "$record" "$TMP/record"
check "full: back" "$UBLK" resize -n "$DEV" -s 8M
check "full: add" fails 1 "No space left" UBLK_RUN_DIR -- "$UBLK" add -t null -n 11
check "full: no device is left" not test -e /dev/ublkc11
check "full: no file is left" not test -e "$UBLK_RUN_DIR/11.json"
check "full: no part of one" not test -e "$UBLK_RUN_DIR/11.json.new"
check "full: delete" del_dev
check "full: the device is gone" not test -e "/dev/ublkc$DEV"
check "full: and the record of the earlier daemon" busywait 5000 not test -e "$record"
rm "$UBLK_RUN_DIR/fill"

add_dev -t loop -r -f "$img"
record=$UBLK_RUN_DIR/$DEV.json
check "kill, with a read-only directory" kill_daemon
mount -o remount,ro "$UBLK_RUN_DIR"
check "read-only: recover" recover
check "read-only: data" same_data
mount -o remount,rw "$UBLK_RUN_DIR"
check "quiesce" "$UBLK" quiesce -n "$DEV"
check "recover after it" recover
check "stop" "$UBLK" stop -n "$DEV"
check "delete" del_dev
check "the directory is empty" prints "" ls "$UBLK_RUN_DIR"
finish
