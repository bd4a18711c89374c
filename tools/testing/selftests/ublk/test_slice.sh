#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The time slice of a queue's thread: the shortest as long as it finds one request at
# a time, a longer one when it finds many, and what an administrator sets stays.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio chrt taskset

SHORT=100000
LONG=3000000

# slice TID: of an ordinary thread, in ns.
slice() {
	awk '$1 == "se.slice" { print $3 }' "/proc/$1/sched"
}

slice_is() {
	[ "$(slice "$1")" = "$2" ]
}

# reads DEPTH OPTION...: fio reads at that depth, on the thread's processor, and sends
# half of the depth at once.
reads() {
	fio --name=reads --filename="$BDEV" --rw=randread --bs=4k --direct=1 \
		--ioengine=io_uring --iodepth="$1" --iodepth_low=$((($1 + 1) / 2)) \
		--iodepth_batch=$((($1 + 1) / 2)) --cpus_allowed=0 --size=4M "${@:2}" \
		>"$TMP/fio" 2>&1
}

# reads_make DEPTH NS: the slice becomes that while fio reads.
reads_make() {
	local pid status=0

	reads "$1" --time_based --runtime=$((60 * SCALE)) &
	pid=$!
	busywait 30000 slice_is "$TID" "$2" || status=1
	pkill -x fio
	wait "$pid"
	[ "$status" -eq 0 ] || { slice "$TID"; cat "$TMP/fio"; }
	return "$status"
}

# reads_leave DEPTH NS: the slice is the same after some hundred turns.
reads_leave() {
	reads "$1" --io_size=$(($1 * 500 * 4))k || { cat "$TMP/fio"; return 1; }
	slice "$TID"
	slice_is "$TID" "$2"
}

add_dev -t null -q 1 -d 64
TID=$(queue_thread)
[ -n "$(slice "$TID")" ] || skip_all "the kernel does not show a slice"
taskset -pc 0 "$TID" >/dev/null
check "the shortest at the beginning" slice_is "$TID" "$SHORT"
check "longer when many requests are found at once" reads_make 32 "$LONG"
check "the shortest again at depth 1" reads_make 1 "$SHORT"
check "and longer again" reads_make 32 "$LONG"
chrt --other --sched-runtime 1000000 --pid 0 "$TID"
check "what chrt has set" slice_is "$TID" 1000000
check "stays at depth 1" reads_leave 1 1000000
check "and at depth 32" reads_leave 32 1000000
del_dev
finish
