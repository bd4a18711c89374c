#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kill -9 of the daemon while fio verifies, fifty times: IO ends within 5 seconds,
# the device is DEAD or gone and can be deleted.

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

# IO of a dead server fails; what matters is that fio ends, and how soon.
turn() {
	local fio_pid pid t0 t1

	add_dev -t loop -f "$TMP/img" -q 2 -d 32
	timeout 60 fio --name=kill --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --rw=randrw --bs=4k --iodepth=32 --size=48m \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 \
		--time_based --runtime=60 --minimal >"$TMP/fio.out" 2>&1 &
	fio_pid=$!
	busywait 20000 busy_disk || { echo "fio does no IO"; return 1; }
	# A different moment each time.
	sleep "0.0$((RANDOM % 90 + 10))"
	pid=$(pid_of "$DEV")
	[ "${pid:-0}" -gt 0 ] || { echo "no daemon"; return 1; }
	t0=${EPOCHREALTIME/[.,]/}
	kill -9 "$pid"
	if wait "$fio_pid"; then
		echo "fio did not notice"
		return 1
	fi
	t1=${EPOCHREALTIME/[.,]/}
	[ "$(((t1 - t0) / 1000))" -lt 5000 ] || {
		echo "fio ended after $(((t1 - t0) / 1000)) ms"
		return 1
	}
	if grep -q 'verify: bad' "$TMP/fio.out"; then
		cat "$TMP/fio.out"
		return 1
	fi
	busywait 5000 dead_or_gone "$DEV" || { state_of "$DEV"; return 1; }
	"$UBLK" del -n "$DEV" >/dev/null 2>&1
	busywait 5000 not test -e "/dev/ublkc$DEV" || { echo "node left"; return 1; }
}

busy_disk() {
	awk '{ exit !($1 + $5 > 20) }' "/sys/block/ublkb$DEV/stat"
}

dead_or_gone() {
	[ ! -e "/dev/ublkc$1" ] || state_is "$1" DEAD
}

turns() {
	local i

	for i in $(seq "$1"); do
		turn || { echo "turn $i"; return 1; }
	done
}

new_file img 64M >/dev/null
check "50 daemons killed under IO" turns 50
finish
