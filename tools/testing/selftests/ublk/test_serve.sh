#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk serve": a server that dies is replaced, under verifying IO and without an error;
# a supervisor that dies takes no server with it, and the next one takes over. It tells
# the service manager how it gets on.
#
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio python3
use_conf_dir
defer "$UBLK" del -a --force
img=$(new_file img 32M)
declare_dev disk "file = $img" "user-recovery-reissue = yes" "number = 4"
DEV=4 BDEV=/dev/ublkb4

service_manager

# serve OPTION...: in the background; the supervisor is $SUPERVISOR.
serve() {
	: >"$TMP/told"
	NOTIFY_SOCKET=$TMP/socket "$UBLK" serve disk "$@" 2>"$TMP/log" &
	SUPERVISOR=$!
	defer kill -9 "$SUPERVISOR"
}

# told PATTERN [MS]
told() {
	busywait "${2:-20000}" grep -Eq "$1" "$TMP/told" || { cat "$TMP/told" "$TMP/log"; return 1; }
}

pid=
# It loads the driver, if that can be unloaded here.
modprobe -qr ublk_drv || true
serve
check "says that it is ready" told "^READY=1$"
check "when the disk is there" test -b "$BDEV"
check "with a status" told "^STATUS=/dev/ublkb4 is served by process [0-9]+$"
check "a child serves" served_by_another
check "of the supervisor" prints "$SUPERVISOR" sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status"
locked() {
	[ "$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$SUPERVISOR/status")" -gt 0 ]
}
check "which is locked in memory" locked
check "the device is as declared" prints "disk: is as declared, /dev/ublkb4" "$UBLK" up disk

# Servers that die, again and again. The pauses before a start become longer each time.
fio_until_enough &
fio=$!
kills() {
	local i

	for i in $(seq "$(less 8)"); do
		kill -9 "$pid"
		busywait 30000 served_by_another || { cat "$TMP/log"; return 1; }
	done
}
check "kill -9, again and again" kills
check "IO goes on" kill -0 "$fio"
touch "$TMP/enough"
wait "$fio"
check "without an error, and with the right data" test $? -eq 0
check "is said" told "^STATUS=the server, process [0-9]+, was ended by signal 9 .*; next start in [0-9]+ ms$"

# The record is lost as well.
rm "/run/ublk/$DEV.json"
kill -9 "$pid"
check "a lost record" busywait 30000 served_by_another
check "is written again" grep -q "$img" "/run/ublk/$DEV.json"

# What a server says that cannot start.
mv "$img" "$TMP/away"
kill -9 "$pid"
check "a file that is gone is told" told "^STATUS=the server, process [0-9]+, has ended with status 1: dev 4: .*$img: No such file"
mv "$TMP/away" "$img"
check "and is served when it is back" busywait 30000 served_by_another
check "quiesce" "$UBLK" quiesce -n "$DEV"
check "is followed by the next server" busywait 30000 served_by_another

# The supervisor is killed.
kill -9 "$SUPERVISOR"
wait "$SUPERVISOR" 2>/dev/null
check "its server goes on" dd if="$BDEV" of=/dev/null bs=64k count=4 iflag=direct status=none
check "the same one" prints "$pid" pid_of "$DEV"
serve
check "the next supervisor takes over" told "^STATUS=/dev/ublkb4 is served by process $pid$"
check "and is ready" told "^READY=1$"
kill -9 "$pid"
check "it replaces that server" busywait 30000 served_by_another
kill -9 "$SUPERVISOR"
wait "$SUPERVISOR" 2>/dev/null
check "it is killed, and then its server" kill_daemon
pid=0
serve
check "the next one recovers the device" busywait 30000 served_by_another

# The supervisor alone.
check "SIGUSR1" kill -USR1 "$SUPERVISOR"
wait "$SUPERVISOR"
check "ends it with status 0" test $? -eq 0
check "its server goes on" prints "$pid" pid_of "$DEV"
serve
check "and is taken over" told "^STATUS=/dev/ublkb4 is served by process $pid$"

# The end.
check "SIGTERM" kill -TERM "$SUPERVISOR"
wait "$SUPERVISOR"
check "ends it with status 0" test $? -eq 0
check "and says so" told "^STOPPING=1$"
check "the disk waits" state_is "$DEV" QUIESCED
check "up recovers it" prints "disk: recovered, /dev/ublkb4" "$UBLK" up disk
serve
check "a device that is served is taken over" told "^READY=1$"
check "stopped by somebody" "$UBLK" stop "$DEV"
wait "$SUPERVISOR"
check "ends the supervisor with status 0, too" test $? -eq 0
check "which says so" told "has been stopped$"
check "it is deleted" "$UBLK" del "$DEV"
check "it is added again" prints "disk: added, /dev/ublkb4" "$UBLK" up disk
serve
check "and taken over" told "^READY=1$"
check "down" prints "disk: removed" "$UBLK" down disk
wait "$SUPERVISOR"
check "ends the supervisor with status 0" test $? -eq 0

# One that cannot be recovered, and is in use.
declare_dev disk "type = mem" "size = 16M" "number = 4"
pid=
serve
check "a disk in memory" busywait 20000 served_by_another
check "kill -9" kill -9 "$pid"
check "it is added again" busywait 30000 served_by_another
exec 9<"$BDEV"
kill -TERM "$SUPERVISOR"
# The supervisor says so when its server has had 20 s to end.
check "SIGTERM with the disk open" told "goes on$" 60000
check "it goes on" kill -0 "$SUPERVISOR"
check "and so does its server" prints "$pid" pid_of "$DEV"
exec 9<&-
kill -TERM "$SUPERVISOR"
wait "$SUPERVISOR"
check "SIGTERM after the last close ends it" test $? -eq 0
check "and the device" busywait 5000 not test -e "/dev/ublkc$DEV"

# Starts that fail.
declare_dev disk "file = $TMP/nosuch" "number = 4"
serve --limit 3
wait "$SUPERVISOR"
check "it gives up" test $? -eq 1
check "says why" grep -q "^ublk: .*disk.conf: given up after 3 starts: .*$TMP/nosuch" "$TMP/log"
declare_dev disk "file = $img" "number = 4"
add_dev -t loop -n 9 "$img"
serve --limit 100
check "a store in use" told "next start in"
del_dev 9 || die "deleting device 9"
check "that becomes free" told "^READY=1$"
check "del" "$UBLK" del -n 4
wait "$SUPERVISOR"
check "ends it" test $? -eq 0
add_dev -t null --name disk
check "a device that was made by hand" fails 7 disk.conf "dev $DEV" -- "$UBLK" serve disk
del_dev || die "deleting device $DEV"
check "no such declaration" fails 3 nothere.conf -- "$UBLK" serve nothere
check "nothing is left" prints "" "$UBLK" list
finish
