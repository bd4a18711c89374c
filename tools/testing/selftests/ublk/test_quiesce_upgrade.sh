#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Live upgrade: while IO is verified, the daemon is quiesced and another copy of the
# program recovers the device, five times, without an error or bad data.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:QUIESCE cmp

newer=$TMP/ublk-newer
cp "$(command -v "$UBLK")" "$newer"

exe_of() {
	readlink "/proc/$(pid_of "$DEV")/exe"
}

upgrade() {
	local prog=$1 old

	old=$(pid_of "$DEV")
	timeout "$((30 * SCALE))" "$UBLK" quiesce -n "$DEV" --timeout "$((5000 * SCALE))" || return
	ended "$old" || { echo "process $old is still there"; return 1; }
	state_is "$DEV" QUIESCED || { state_of "$DEV"; return 1; }
	[ -s "/run/ublk/$DEV.json" ] || { echo "no record"; return 1; }
	timeout "$((30 * SCALE))" "$prog" recover -n "$DEV" --quiet || return
	state_is "$DEV" LIVE || { state_of "$DEV"; return 1; }
	[ "$(exe_of)" = "$(readlink -f "$(command -v "$prog")")" ]
}

# Write random data to a part of the disk and compare, until told to stop.
verify_part() {
	while [ ! -e "$TMP/end" ]; do
		dd if="$TMP/data$1" of="$BDEV" bs=16k seek=$(($1 * blocks)) \
			oflag=direct conv=notrunc status=none || return
		dd if="$BDEV" of="$TMP/back$1" bs=16k skip=$(($1 * blocks)) count="$blocks" \
			iflag=direct status=none || return
		cmp "$TMP/data$1" "$TMP/back$1" || return
		echo >>"$TMP/rounds"
	done
}

rounds() {
	wc -l <"$TMP/rounds"
}

more_rounds_than() {
	[ "$(rounds)" -gt "$1" ]
}

# Each part has been written and compared since the last call.
serves() {
	busywait 10000 more_rounds_than $(($(rounds) + 4))
}

verified() {
	local pid

	: >"$TMP/end"
	for pid in "${pids[@]}"; do
		wait "$pid" || return
	done
	[ ! -s "$TMP/verify.err" ] || { cat "$TMP/verify.err"; return 1; }
}

add_dev -t loop -f "$(new_file img 32M)" -r -q 2 -d 32
: >"$TMP/rounds"
pids=()
blocks=$(less 64)
for part in 0 1 2 3; do
	dd if=/dev/urandom of="$TMP/data$part" bs=16k count="$blocks" status=none
	verify_part "$part" 2>>"$TMP/verify.err" &
	pids+=($!)
done
check "IO runs" serves
versions=("$newer" "$UBLK" "$newer" "$UBLK" "$newer")
for prog in "${versions[@]:0:$(less 5) + 1}"; do
	check "recovered by another program under IO" upgrade "$prog"
	check "IO goes on" serves
done
check "no error, no bad data" verified
say "$(rounds) rounds of IO"

# Cases in which quiesce has nothing to do or fails.
check "quiesce, quiesced already" "$UBLK" quiesce -n "$DEV"
check "once more" "$UBLK" quiesce -n "$DEV"
check "stop without a daemon" timeout "$((20 * SCALE))" "$UBLK" stop -n "$DEV"
check "it is DEAD" state_is "$DEV" DEAD
check "quiesce of a stopped device fails" not "$UBLK" quiesce -n "$DEV"
check "deleted" del_dev
add_dev -t null
check "quiesce without -r fails" not "$UBLK" quiesce -n "$DEV"
check "and changes nothing" dd if="$BDEV" of=/dev/null bs=4k count=1 \
	iflag=direct status=none
check "deleted" del_dev
finish
