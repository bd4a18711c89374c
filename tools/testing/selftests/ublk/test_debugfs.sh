#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The contents of <debugfs>/ublk/N/state, and reading it while the device is
# deleted.

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require dd
DEBUG=/sys/kernel/debug
[ -d "$DEBUG/block" ] || mount -t debugfs none "$DEBUG" 2>/dev/null
[ -d "$DEBUG/block" ] || skip_all "no debugfs"
[ -d "$DEBUG/ublk" ] || skip_all "a driver without files in debugfs"

add_dev -t null -q 2 -d 8 --no-batch-io
state=$DEBUG/ublk/$DEV/state
queues=$(awk 'NR == 1 { print $5 }' "$TMP/add.out")

says() {
	grep -Eq "$1" "$state" || { cat "$state"; return 1; }
}

lines() {
	[ "$(grep -Ec "$1" "$state")" -eq "$2" ] || { cat "$state"; return 1; }
}

check "readable by root only" prints 400 stat -c %a "$state"
check "the device" says "^device $DEV state LIVE flags 0x[0-9a-f]+ policy stop$"
check "its server" says \
	"^server ready pid $(pid_of "$DEV") .* session 1 ready $queues/$queues$"
check "its disk" says "^disk present quiesce none stops 0/0 shmem 0$"
check "a line per queue" lines "^queue [0-9]+ gate go fetched 8/8$" "$queues"
check "a line per tag" lines "^  tag [0-7] " $((8 * queues))
check "idle tags wait for requests" busywait 5000 \
	lines "^  tag [0-7] armed( task [0-9]+)?$" $((8 * queues))

pid=$(pid_of "$DEV")
kill -STOP "$pid"
check "the server is stopped" busywait 5000 halted "$pid"
dd if="$BDEV" of=/dev/null bs=4k count=1 skip=5 iflag=direct 2>/dev/null &
check "a request is queued" busywait 5000 says "^  tag [0-7] queued"
kill -CONT "$pid"
check "it ends" wait $!
check "the tag is idle again" busywait 5000 \
	lines "^  tag [0-7] armed" $((8 * queues))

# Read without a pause while devices are added and deleted.
reading() {
	while [ ! -e "$TMP/stop" ]; do
		cat "$DEBUG"/ublk/*/state
	done >/dev/null 2>&1
}
reading &
defer touch "$TMP/stop"
cycles() {
	local i

	for i in $(seq "$(less 10)"); do
		try_add -t null -q 2 -d 8 && del_dev "$DEV" || return
	done
}
first=$DEV
check "devices are added and deleted" cycles
check "the first one is deleted" del_dev "$first"
touch "$TMP/stop"
check "the reader ends" wait
check "nothing is left" prints "" ls "$DEBUG/ublk"
finish
