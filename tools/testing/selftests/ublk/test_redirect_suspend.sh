#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The store of a disk hangs while it has redirected writes: a device mapper device is
# suspended. What happens to the server, to a stop and to the next server?
#
# covers: E-50 E-52 E-53 E-54
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:REDIRECT dmsetup module:dm_mod module:null_blk
STATE=/sys/kernel/debug/ublk
[ -d "$STATE" ] || skip_all "no debugfs"

null_device ublk_back size=64
# There may be no udev, so no node of that name.
echo "0 131072 linear $NULL 0" |
	dmsetup create --noudevrules --noudevsync ublk-redirect || skip_all "no dm linear"
STORE=/dev/dm-$(dmsetup info -c --noheadings -o minor ublk-redirect)
defer dmsetup remove --noudevrules --noudevsync --retry ublk-redirect
busywait 5000 test -b "$STORE"

# The store's suspend must not outlive the test, whatever fails.
suspend() {
	dmsetup suspend --noudevsync --noflush --nolockfs ublk-redirect
}
resume() {
	dmsetup resume --noudevrules --noudevsync ublk-redirect
}
defer resume

block() {
	head -c 65536 /dev/zero | tr '\0' "$1" >"$TMP/$1"
	echo "$TMP/$1"
}

# Write a block of that letter over the same place; in the background.
write_begin() {
	dd if="$(block "$1")" of="$BDEV" bs=64k count=1 seek=16 oflag=direct \
		status=none 2>"$TMP/err.$1" &
}

redirected() {
	grep -q '^  tag [0-9]* redirected' "$STATE/$DEV/state"
}

# Not what the page cache of the device has.
has() {
	dd if="$1" bs=64k skip=16 count=1 iflag=direct status=none |
		cmp - "$(block "$2")"
}

# The recovery goes on trying, and cannot succeed before the store answers.
old_session_lasts() {
	local i

	for i in 1 2 3 4 5; do
		kill -0 "$recover" && state_is "$DEV" LIVE || return
		pause 0.2
	done
}

for batch in $(batch_options); do
	add_dev -t loop -f "$STORE" --no-passthrough --user-recovery-reissue 1 "$batch"
	check "$batch: writes before" dd if="$(block x)" of="$BDEV" bs=64k count=1 \
		seek=16 oflag=direct status=none
	suspend
	write_begin a
	first=$!
	check "$batch: a write is redirected" busywait 5000 redirected
	pid=$(pid_of "$DEV")
	kill -9 "$pid"
	busywait 5000 ended "$pid"
	check "$batch: the server has ended" ended "$pid"
	"$UBLK" recover -n "$DEV" >"$TMP/recover" 2>&1 &
	recover=$!
	write_begin b
	second=$!
	check "$batch: no new session while the write is in flight" old_session_lasts
	resume
	check "$batch: recovery" wait "$recover"
	check "$batch: the old write" wait "$first"
	check "$batch: the new write" wait "$second"
	check "$batch: device is live" busywait 5000 state_is "$DEV" LIVE
	check "$batch: the disk has what was written last" has "$BDEV" b
	check "$batch: so has the store" has "$NULL" b

	# A stop waits for the store, can be interrupted, and then ends.
	suspend
	write_begin c
	first=$!
	busywait 5000 redirected
	pid=$(pid_of "$DEV")
	timeout -s INT 1 "$UBLK" del --force -n "$DEV" >/dev/null 2>&1
	check "$batch: a deletion waits for the store" test -e "/dev/ublkc$DEV"
	check "$batch: the server waits, too" not ended "$pid"
	resume
	check "$batch: the write ends" wait "$first"
	check "$batch: the deletion ends" busywait 15000 test ! -e "/dev/ublkc$DEV"
	check "$batch: the store has it" has "$NULL" c
done

# A request that times out in the store kills no server.
add_dev -t loop -f "$STORE" --no-passthrough
echo kill >"/sys/class/ublk-char/ublkc$DEV/timeout_action"
echo 500 >"/sys/block/ublkb$DEV/queue/io_timeout"
pid=$(pid_of "$DEV")
suspend
write_begin d
first=$!
busywait 5000 redirected
pause 3
check "a timeout leaves the server alone" not ended "$pid"
resume
check "the write ends" wait "$first"
check "device is deleted" del_dev
finish
