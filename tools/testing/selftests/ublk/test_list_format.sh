#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The words of "ublk list" that scripts read by their position.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require

add_dev -t loop -f "$(new_file img 16M)" -n 11 -q 2 -d 16 --io-buf-size 512K
queues=$(awk 'NR == 1 { print $5 }' "$TMP/add.out")
"$UBLK" list -n 11 >"$TMP/list"
say "$(head -n 2 "$TMP/list")"

word() {
	awk -v line="$1" -v word="$2" 'NR == line { print $word }' "$TMP/list"
}

# Hexadecimal word of the flags line, and the two features that always exist.
flags_line() {
	grep -Eq '^	flags 0x[0-9a-f]+ \[ .*CMD_IOCTL_ENCODE.* \]$' "$TMP/list" &&
		grep -q URING_CMD_COMP_IN_TASK "$TMP/list"
}

check "id" prints 11: word 1 3
check "queues" prints "$queues" word 1 5
check "depth" prints 16 word 1 7
check "block size" grep -Eq '^512$|^4096$' <(word 1 10)
check "capacity" prints 32768 word 1 12
check "longest request" prints 524288 word 2 4
check "pid is a process of this program" grep -q ublk "/proc/$(word 2 7)/comm"
check "state" prints LIVE word 2 9
check "second line starts with a tab" sh -c "sed -n 2p '$TMP/list' | grep -q '^	'"
check "flags by name" flags_line
check "a line per queue" prints "$queues" \
	grep -Ec '^	queue [0-9]+: tid [0-9]+ affinity\([0-9 ]+\)$' "$TMP/list"
check "the thread is one of the daemon" test -d \
	"/proc/$(word 2 7)/task/$(awk '/^\tqueue 0:/ { print $4 }' "$TMP/list")"
check "the target's own line" grep -q "^	target loop.*$TMP/img" "$TMP/list"
check "add prints the same" cmp "$TMP/add.out" "$TMP/list"
check "the list of all devices has it" grep -q '^dev id 11:' <("$UBLK" list)
check "device is deleted" del_dev
check "without devices the list is empty" prints "" "$UBLK" list
finish
