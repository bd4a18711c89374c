#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kill -9 of the daemon while fio verifies, fifty times: IO ends within 5 seconds,
# and the device is DEAD or deleted, and can be deleted.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

# Five devices at a time under one fio with a thread for each.
start_fio() {
	local job=()

	for i in "${!ids[@]}"; do
		job+=(--name="job$i" --filename="/dev/ublkb${ids[i]}")
	done
	timeout "$((90 * SCALE))" fio --ioengine=io_uring --thread --direct=1 --rw=randrw \
		--bs=4k --iodepth=16 --size="$(less 48)m" --rate_iops=1000 \
		--verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --time_based --runtime="$((80 * SCALE))" --minimal \
		"${job[@]}" >"$TMP/fio.out" 2>&1 &
	fio_pid=$!
}

all_busy() {
	local i

	for i in "${ids[@]}"; do
		awk '{ exit !($1 + $5 > 20) }' "/sys/block/ublkb$i/stat" || return
	done
}

dead_or_gone() {
	[ ! -e "/dev/ublkc$1" ] || state_is "$1" DEAD
}

kill_one() {
	local pid

	pid=$(pid_of "$1")
	[ "${pid:-0}" -gt 0 ] || { echo "dev $1: no daemon"; return 1; }
	# Another moment in each round.
	sleep "0.0$((RANDOM % 90 + 10))"
	kill -9 "$pid"
}

# IO fails without a server; check that fio ends, and measure how soon.
round() {
	local fio_pid ids=() i t0 ms

	for i in 0 1 2 3 4; do
		try_add -t loop -f "$TMP/img$i" -q 2 -d 32 || return
		ids+=("$DEV")
	done
	start_fio
	busywait 60000 all_busy || { echo "fio does no IO"; return 1; }
	for i in "${ids[@]}"; do
		kill_one "$i" || return
	done
	t0=${EPOCHREALTIME/[.,]/}
	if wait "$fio_pid"; then
		echo "fio did not notice"
		return 1
	fi
	ms=$(((${EPOCHREALTIME/[.,]/} - t0) / 1000))
	[ "$ms" -lt "$((5000 * SCALE))" ] || { echo "fio ended after $ms ms"; return 1; }
	[ "$ms" -le "$slowest" ] || slowest=$ms
	if grep 'verify: bad' "$TMP/fio.out"; then
		return 1
	fi
	for i in "${ids[@]}"; do
		busywait 5000 dead_or_gone "$i" || { state_of "$i"; return 1; }
		"$UBLK" del -n "$i" >/dev/null 2>&1
		busywait 5000 not test -e "/dev/ublkc$i" || { echo "node left"; return 1; }
	done
}

slowest=0
for i in 0 1 2 3 4; do
	new_file "img$i" 64M >/dev/null
done
for i in $(seq "$(less 10)"); do
	check "five daemons killed under IO, round $i" round
done
say "fio ended at most $slowest ms after the last kill"
finish
