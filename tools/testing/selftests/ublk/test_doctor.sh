#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk doctor" finds what is wrong with devices, their records and declarations, with
# a cure that works; "ublk gc" removes what servers that died have left behind, and
# nothing else. Run-state directories that are full, read-only, or of another boot.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3
mkdir "$TMP/run" "$TMP/etc"
mount -t tmpfs -o size=512k tmpfs "$TMP/run" || skip_all "no tmpfs"
defer umount "$TMP/run"
export UBLK_RUN_DIR=$TMP/run UBLK_CONF_DIR=$TMP/etc
defer "$UBLK" del -a --force

# finds PATTERN: a line of doctor, as a regular expression.
finds() {
	"$UBLK" doctor >"$TMP/doctor" 2>"$TMP/err"
	grep -Eq "$1" "$TMP/doctor" || { cat "$TMP/doctor" "$TMP/err"; return 1; }
}

# The BAD lines about devices and records, of which there should be none.
healthy() {
	"$UBLK" doctor >"$TMP/doctor" 2>"$TMP/err"
	! grep -E "^BAD (module|io_uring|run-state|devices|declarations):" "$TMP/doctor"
}

# left_socket PATH [SECONDS]: listen there so long, and leave the socket.
left_socket() {
	exec python3 -c 'import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + ".new")
s.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(float(sys.argv[2]))' "$1" "${2:-0}"
}

check "nothing is wrong" healthy
check "the driver is seen" grep -q "^ok  module: is loaded" "$TMP/doctor"
add_dev -t loop -r "$(new_file img 16M)"
check "a device" finds "^ok  devices: dev $DEV is live, served by process [0-9]+$"
check "nothing is wrong with it" healthy
pid=$(pid_of "$DEV")
kill -STOP "$pid"
check "its server is stopped" finds "^BAD devices: dev $DEV: its server, process $pid, is stopped; \"kill -CONT $pid\""
check "a failure, in one line" fails 1 "thing" "wrong, see above" -- sh -c '"$1" doctor >/dev/null' sh "$UBLK"
kill -CONT "$pid"
check "it is continued" busywait 5000 healthy

# A server that died: what doctor says cures it.
check "it dies" kill_daemon
check "doctor says so" finds "^BAD devices: dev $DEV: has lost its server, and its IO waits; \"ublk recover $DEV\""
check "gc leaves it" prints "" "$UBLK" gc
check "the cure" "$UBLK" recover "$DEV" --quiet
check "works" healthy

# Its record is damaged, then lost, then of another boot.
record=$UBLK_RUN_DIR/$DEV.json
for how in damaged lost boot; do
	check "$how: it dies" kill_daemon
	case $how in
	damaged) echo "{" >"$record" ;;
	lost) rm "$record" ;;
	boot) sed -i 's/"boot": "[^"]*"/"boot": "another"/' "$record" ;;
	esac
	case $how in
	damaged) what="is damaged" ;;
	lost) what="cannot be read" ;;
	boot) what="is of an earlier boot" ;;
	esac
	check "$how: doctor says so" finds "^BAD devices: dev $DEV: $record $what; give target .*\"ublk recover -n $DEV -t TARGET ...\""
	[ "$how" = lost ] ||
		check "$how: list says so" grep -q "note: $record $what" <("$UBLK" list -n "$DEV")
	check "$how: recover does, too" fails 1 "dev $DEV" "$record" "-t TARGET" -- "$UBLK" recover -n "$DEV"
	check "$how: recover by hand" "$UBLK" recover -n "$DEV" -t loop "$TMP/img" --quiet
	check "$how: works" healthy
	check "$how: its record is there again" grep -q "$TMP/img" "$record"
done
check "the damaged one was set aside" prints "{" cat "$record.damaged"
check "gc leaves that, as the device is there" prints "" "$UBLK" gc
del_dev || die "deleting device $DEV"
check "it goes with the device: the directory is empty" prints "" ls "$UBLK_RUN_DIR"

# What cannot be recovered.
add_dev -t null
check "one that cannot be recovered dies" kill_daemon DEAD
echo "{" >"$UBLK_RUN_DIR/77.json"
echo x >"$UBLK_RUN_DIR/78.json.new"
echo x >"$UBLK_RUN_DIR/79.json.damaged"
echo x >"$UBLK_RUN_DIR/other"
(left_socket "$UBLK_RUN_DIR/left.socket") || die "socket"
left_socket "$UBLK_RUN_DIR/heard.socket" 60 &
heard=$!
busywait 10000 test -S "$UBLK_RUN_DIR/heard.socket" || die "socket"
check "doctor says so" finds "^BAD devices: dev $DEV: has no disk; \"ublk del $DEV\", or \"ublk gc\"$"
check "gc --dry-run" prints 5 grep -c "would be removed" <("$UBLK" gc --dry-run)
check "changes nothing" test -e "/dev/ublkc$DEV" -a -e "$UBLK_RUN_DIR/77.json"
add_dev -t null
check "gc" sh -c "'$UBLK' gc >'$TMP/gc'"
check "removes device and files" prints 5 grep -c ": removed, " "$TMP/gc"
check "not a live one" state_is "$DEV" LIVE
check "nor the socket of a supervisor that lives" test -S "$UBLK_RUN_DIR/heard.socket"
kill "$heard"
wait "$heard"
check "but when it was killed" prints "$UBLK_RUN_DIR/heard.socket: removed, no supervisor listens" "$UBLK" gc
check "nor a file of somebody else" prints other ls "$UBLK_RUN_DIR" --ignore="$DEV.json"
check "again, nothing" prints "" "$UBLK" gc
check "nothing is wrong" healthy
del_dev || die "deleting device $DEV"

# A directory without space, and one that cannot be written.
dd if=/dev/zero of="$UBLK_RUN_DIR/fill" bs=4k 2>/dev/null
check "a full directory" finds "^BAD run-state: $UBLK_RUN_DIR has [0-9]+ bytes free; free some space"
check "as add says" fails 1 "No space" UBLK_RUN_DIR -- "$UBLK" add -t null
check "leaves nothing" prints "" "$UBLK" list
rm "$UBLK_RUN_DIR/fill"
mount -o remount,ro "$UBLK_RUN_DIR"
check "a read-only one" finds "^BAD run-state: $UBLK_RUN_DIR: Read-only file system; make it writable"
check "as add says" fails 1 "Read-only" UBLK_RUN_DIR -- "$UBLK" add -t null
check "leaves nothing" prints "" "$UBLK" list
mount -o remount,rw "$UBLK_RUN_DIR"
check "nothing is wrong" healthy

# Declarations.
echo "frob = 1" >"$UBLK_CONF_DIR/a.conf"
check "a wrong declaration" finds "^BAD declarations: $UBLK_CONF_DIR/a.conf:1: .*; correct $UBLK_CONF_DIR/a.conf$"
printf '%s\n' "type = null" "number = 3" >"$UBLK_CONF_DIR/a.conf"
check "is right now" healthy
cp "$UBLK_CONF_DIR/a.conf" "$UBLK_CONF_DIR/b.conf"
check "two with one number" finds "^BAD declarations: .*its number 3 is that of .*/b.conf, too"
finish
