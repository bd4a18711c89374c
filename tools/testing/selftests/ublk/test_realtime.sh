#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk add --realtime": the threads of the queues, and nothing else of the daemon,
# have SCHED_FIFO with the priority asked for, also after a recovery. Who may not
# have that is told why.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require capsh prlimit

# "PRIORITY:POLICY" of each thread of the daemon whose name does not begin with $1,
# sorted; policy 1 is SCHED_FIFO. Behind the name, which is in parentheses, they are
# words 38 and 39.
policies_without() {
	local task

	for task in /proc/"$(pid_of "$DEV")"/task/*; do
		[[ $(<"$task/comm") == "$1"* ]] ||
			sed 's/.*) //' "$task/stat" | cut -d' ' -f38,39 | tr ' ' :
	done | sort | paste -sd' '
}

# Those of the daemon's own threads: without the workers of io_uring.
policies() {
	policies_without iou-wrk-
}

serves() {
	timeout "$((30 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=100 iflag=direct status=none
}

# The name of a worker has the number of the thread that it works for.
queue_has_worker() {
	grep -qx "iou-wrk-$(queue_thread)" /proc/"$(pid_of "$DEV")"/task/*/comm
}

# All threads that are not ordinary.
realtime_threads() {
	policies_without - | tr ' ' '\n' | grep -v '^0:0$' | paste -sd' '
}

# Add a device with priority 20, without CAP_SYS_NICE, at this RLIMIT_RTPRIO.
limited() {
	local prog

	prog=$(command -v "$UBLK")
	# shellcheck disable=SC2016
	capsh --drop=cap_sys_nice --shell=/bin/sh -- -c \
		'prlimit --pid $$ --rtprio="$1"; shift; exec "$@"' sh "$1" "$prog" add \
		-t null --realtime=20 >"$TMP/add.out" 2>"$TMP/err"
}

allowed() {
	limited "$1" || { cat "$TMP/err"; return 1; }
	DEV=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$TMP/add.out")
	LIB_DEVS+=("$DEV")
	prints "0:0 20:1" policies
}

# One line, which names the limit.
refused() {
	not limited "$1" || return
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] && grep -q CAP_SYS_NICE "$TMP/err" &&
		grep -q "RLIMIT_RTPRIO is $1;" "$TMP/err"
}

kill_and_recover() {
	kill -9 "$(pid_of "$DEV")" &&
		busywait 10000 state_is "$DEV" QUIESCED &&
		"$UBLK" recover -n "$DEV" >"$TMP/add.out"
}

add_dev -t null -q 2
check "without it: no thread" prints "0:0 0:0 0:0" policies
del_dev

add_dev -t null -q 2 -r --realtime
check "the lowest priority, queues only" prints "0:0 1:1 1:1" policies
check "serves" serves
check "recovered from the record" kill_and_recover
check "the same after a recovery" prints "0:0 1:1 1:1" policies
check "serves after a recovery" serves
del_dev

if has_feature PER_IO_DAEMON; then
	add_dev -t null --realtime=99 --per-io-threads 2
	check "the highest priority, all threads of a queue" \
		prints "0:0 99:1 99:1" policies
	del_dev
else
	skip "the highest priority, all threads of a queue" "driver without PER_IO_DAEMON"
fi

# Buffered IO on a file is done by workers of io_uring, which are not realtime.
img=$(new_file img 16M)
add_dev -t loop -f "$img" --buffered-io --realtime=7 --copy
dd if=/dev/zero of="$BDEV" bs=1M count=16 oflag=direct conv=fsync status=none
check "io_uring has started a worker" queue_has_worker
check "workers of io_uring are ordinary" prints "7:1" realtime_threads
del_dev

check "RLIMIT_RTPRIO 0: refused" refused 0
check "RLIMIT_RTPRIO 19: refused" refused 19
check "no device is left" prints "" "$UBLK" list
check "RLIMIT_RTPRIO 20: allowed" allowed 20
finish
