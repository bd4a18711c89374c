#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SIGTERM and SIGINT to a daemon delete a device that nobody uses, leave one that is in
# use alone, and quiesce one that can be recovered. SIGHUP does nothing.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 fio

# gone: the daemon $pid, the device and the disk.
gone() {
	busywait 10000 ended "$pid" && busywait 5000 not test -e "/dev/ublkc$DEV" &&
		not test -e "$BDEV"
}

# serves: the same process, after some time in which it would have ended.
serves() {
	local i

	for i in 1 2 3 4; do
		dd if="$BDEV" of=/dev/null bs=64k count=4 iflag=direct status=none || return
		pause 1
	done
	[ "$(pid_of "$DEV")" = "$pid" ] && ! ended "$pid"
}

for signal in TERM INT; do
	add_dev -t null
	pid=$(pid_of "$DEV")
	check "$signal: sent" kill "-$signal" "$pid"
	check "$signal: the daemon, the device and the disk are gone" gone
done

add_dev -t null
pid=$(pid_of "$DEV")
check "HUP: sent" kill -HUP "$pid"
check "HUP: the daemon goes on" dd if="$BDEV" of=/dev/null bs=64k count=4 \
	iflag=direct status=none
check "HUP: same process" prints "$pid" pid_of "$DEV"

# A disk that is open.
exec 9<"$BDEV"
check "TERM with the disk open: sent" kill -TERM "$pid"
check "it goes on" serves
exec 9<&-
check "TERM after the last close: sent" kill -TERM "$pid"
check "it is gone" gone

# A disk that is mounted.
add_dev -t mem --size 64M
mkfs.ext4 -q "$BDEV" 2>/dev/null || die "mkfs.ext4"
mkdir "$TMP/mnt"
mount "$BDEV" "$TMP/mnt" || die "mount"
defer umount -q "$TMP/mnt"
pid=$(pid_of "$DEV")
for signal in TERM INT; do
	check "$signal with the disk mounted: sent" kill "-$signal" "$pid"
	check "it goes on" serves
done
check "the file system works" sh -c "echo data >'$TMP/mnt/file' && sync -f '$TMP/mnt'"
umount "$TMP/mnt"
check "TERM after umount: sent" kill -TERM "$pid"
check "it is gone" gone

# The same in the foreground, where the reason is on standard error.
"$UBLK" add -t null -n 7 --foreground --quiet 2>"$TMP/err" &
pid=$!
LIB_DEVS+=(7)
DEV=7 BDEV=/dev/ublkb7
check "foreground: the disk appears" busywait 10000 test -b "$BDEV"
exec 9<"$BDEV"
check "foreground: TERM with the disk open: sent" kill -TERM "$pid"
check "foreground: it says why it goes on" busywait 10000 grep -Eq \
	"dev 7: asked to end by a signal, but /dev/ublkb7 is open in process $$ .*; goes on" "$TMP/err"
exec 9<&-
check "foreground: TERM after the last close: sent" kill -TERM "$pid"
check "foreground: it is gone" gone
wait "$pid"
check "foreground: exit status 0" test $? -eq 0

# A device that can be recovered, with writes that are verified.
if ! has_feature QUIESCE; then
	skip "recoverable devices" "driver without QUIESCE"
	finish
fi
for options in --user-recovery --user-recovery-reissue; do
	add_dev -t loop "$options" "$(new_file img 8M)"
	pid=$(pid_of "$DEV")
	fio_verify "$BDEV" --size=8M --iodepth=8 --bs=4k &
	fio=$!
	check "$options: IO has begun" busywait 10000 in_flight
	check "$options: TERM sent" kill -TERM "$pid"
	check "$options: the daemon ends" busywait 15000 ended "$pid"
	check "$options: the disk waits" busywait 5000 state_is "$DEV" QUIESCED
	check "$options: its record is there" test -s "/run/ublk/$DEV.json"
	check "$options: recover" "$UBLK" recover -n "$DEV" --quiet
	wait "$fio"
	check "$options: no error, and the data is right" test $? -eq 0
	check "$options: deleted" del_dev
done
# One of which the requests do not end.
add_dev -t fault --user-recovery --rule read:delay=60000,sectors=65536-65543 \
	"$(new_file hang 64M)"
dd if="$BDEV" of=/dev/null bs=4k skip=8192 count=1 iflag=direct status=none 2>/dev/null &
reader=$!
check "a request hangs" busywait 10000 in_flight
pid=$(pid_of "$DEV")
check "TERM sent" kill -TERM "$pid"
hangs() {
	local i

	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		pause 1
		! ended "$pid" || return
	done
}
check "the daemon goes on" hangs
check "and is live" state_is "$DEV" LIVE
kill -9 "$reader"
"$UBLK" del -n "$DEV" --force --timeout 1 2>/dev/null
kill -9 "$pid"
check "killed, it is gone" busywait 15000 not test -e "/dev/ublkc$DEV"
finish
