#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A command that takes more than a second says so on a terminal, and nowhere else; and
# "ublk list -v" shows what the daemon has.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require script

# The number of a device whose disk is open gets free when it is closed.
add_dev -t null
exec 3<"$BDEV"
on_terminal() {
	local status

	script -qec "$UBLK del -n $DEV --timeout 3" "$TMP/typescript" >/dev/null </dev/null
	status=$?
	cat -v "$TMP/typescript"
	[ "$status" -eq 6 ] && grep -q "ublk: del: 1 s" "$TMP/typescript" &&
		grep -q "ublk: dev $DEV: not gone after 3 s" "$TMP/typescript"
}
check "a terminal shows seconds, then the reason" on_terminal
exec 3<&-
check "it is gone when the disk is closed" busywait 5000 not "$UBLK" list -n "$DEV"

add_dev -t null
exec 3<"$BDEV"
check "a file gets one line" fails 6 "not gone after 2 s" -- "$UBLK" del -n "$DEV" --timeout 2
exec 3<&-
check "that is gone, too" busywait 5000 not "$UBLK" list -n "$DEV"

quick() {
	script -qec "$UBLK features" "$TMP/typescript" >/dev/null </dev/null
	! grep -q "features: [0-9]* s" "$TMP/typescript"
}
check "a quick command shows nothing" quick

add_dev -t null --mlock
"$UBLK" list -v -n "$DEV" >"$TMP/list"
"$UBLK" list -n "$DEV" >"$TMP/short"
check "-v only adds lines" cmp "$TMP/short" <(head -n "$(wc -l <"$TMP/short")" "$TMP/list")
pid=$(pid_of "$DEV")
check "the command line" grep -q "^	command .*ublk add -t null --mlock" "$TMP/list"
check "oom_score_adj" grep -q "^	oom_score_adj $(cat "/proc/$pid/oom_score_adj") " "$TMP/list"
check "locked memory" grep -q "locked $(awk '/^VmLck/ { print $2 }' "/proc/$pid/status") KiB" "$TMP/list"
check "open files" grep -q "nofile $(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")$" "$TMP/list"
check "device is deleted" del_dev
finish
