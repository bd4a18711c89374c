#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server of "ublk serve" that waits in the kernel, here for a file system that is frozen:
# it cannot be killed, and is not. The supervisor says once where it waits, and that it goes
# on, each time.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED blkzone mkfs.ext4 fsfreeze module:loop python3
use_conf_dir
defer "$UBLK" del -a --force
new_file fs 64M >/dev/null
mkfs.ext4 -q "$TMP/fs" || die "mkfs"
mkdir "$TMP/mnt"
mount -o loop "$TMP/fs" "$TMP/mnt" || die "mount"
defer umount "$TMP/mnt"
# A reset writes the zone's pointer from the thread that serves the queue.
truncate -s 0 "$TMP/mnt/img"
declare_dev disk "type = zoned" "file = $TMP/mnt/img" "size = 16M" "zone-size = 4M" \
	"user-recovery = yes" "number = 4"
DEV=4 BDEV=/dev/ublkb4

service_manager
NOTIFY_SOCKET=$TMP/socket "$UBLK" serve disk --hang-timeout 2 2>"$TMP/log" &
SUPERVISOR=$!
defer kill -9 "$SUPERVISOR"

# logged TIMES PATTERN: in the log, so often.
logged() {
	[ "$(grep -Ec "$2" "$TMP/log")" -eq "$1" ]
}

status_is() {
	grep '^STATUS=' "$TMP/told" | tail -n 1 | grep -Eq "$1"
}

blocked="disk: the server, process [0-9]+, hangs: its thread [0-9]+ of queue 0 waits in the kernel and cannot be killed, for [0-9]+ s"

# round N: it waits, and goes on.
round() {
	check "$1: a write" dd if=/dev/zero of="$BDEV" bs=4k count=1 oflag=direct status=none
	fsfreeze -f "$TMP/mnt" || die "fsfreeze"
	defer fsfreeze -u "$TMP/mnt"
	blkzone reset -c 1 "$BDEV" &
	reset=$!
	check "$1: it waits in the kernel, which is said" busywait 30000 logged "$1" "$blocked"
	check "$1: with the functions in which it is" logged "$1" "$blocked, in .* < .*write.* < "
	check "$1: and told to the service manager" busywait 5000 status_is "^STATUS=the server, process $pid, hangs: .*, in .* < "
	check "$1: it is not killed" kill -0 "$pid"
	# several times as long as a hang may last
	pause 5
	check "$1: it is said once" logged "$1" "$blocked"
	fsfreeze -u "$TMP/mnt"
	wait "$reset"
	check "$1: the request ends well" test $? -eq 0
	check "$1: the server goes on, which is told" busywait 30000 status_is "^STATUS=/dev/ublkb4 is served by process $pid$"
	check "$1: the same one" prints "$pid" pid_of "$DEV"
}

pid=
busywait 30000 served_by_another || { cat "$TMP/log"; die "no disk"; }
round 1
round 2
check "down" "$UBLK" down disk
wait "$SUPERVISOR"
check "ends the supervisor" test $? -eq 0
finish
