# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Servers of "ublk serve" that die or hang under verifying IO, again and again: a test
# with parameters, sourced by test_supervise_*.sh.
#
#   SIGNAL=KILL|STOP	what a server gets, a second after it is there
#   OPTIONS="..."	of "ublk serve"
#   BOUND_MS=N		the longest pause of IO that passes
#
# A pause is the time that one read takes that begins when the server gets the signal.
# UBLK_SUPERVISE_SECONDS=N makes it as long, more than the runner gives a test. Three
# minutes, from the ublk tree:
#   test/vm/run.sh --timeout 900 -- env UBLK_SUPERVISE_SECONDS=180 \
#	tools/testing/selftests/ublk/test_supervise_kill.sh

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio
SECONDS_ALL=${UBLK_SUPERVISE_SECONDS:-$((30 * SCALE))}
export FIO_SECONDS=$((SECONDS_ALL + 60))
use_conf_dir
defer "$UBLK" del -a --force
img=$(new_file img 32M)
DEV=4 BDEV=/dev/ublkb4
declare_dev disk "file = $img" "user-recovery-reissue = yes" "number = $DEV"

# shellcheck disable=SC2086 # several
"$UBLK" serve disk $OPTIONS 2>"$TMP/log" &
SUPERVISOR=$!
defer kill -9 "$SUPERVISOR"

# One signal after the other while fio runs; pauses go to $TMP/pauses.
signals() {
	local t0

	: >"$TMP/pauses"
	while kill -0 "$fio" 2>/dev/null; do
		pause 1
		t0=$(now_ms)
		kill -s "$SIGNAL" "$pid"
		timeout "$((60 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none || {
			echo "a read fails or waits"
			return 1
		}
		echo "$(($(now_ms) - t0))" >>"$TMP/pauses"
		busywait 30000 served_by_another || { cat "$TMP/log"; return 1; }
	done
}

pid=
busywait 30000 served_by_another || { cat "$TMP/log"; die "no disk"; }
began=$(now_ms)
fio_verify "$BDEV" --offset=4k --size=16M --iodepth=8 --bs=4k --time_based --runtime="$SECONDS_ALL" &
fio=$!
check "SIG$SIGNAL for servers, a second after they are there" signals
check "IO goes on" test "$(($(now_ms) - began))" -ge "$((SECONDS_ALL * 1000))"
wait "$fio"
check "without an error, and with the right data" test $? -eq 0
sort -n "$TMP/pauses" >"$TMP/sorted"
nr=$(wc -l <"$TMP/sorted")
most=$(tail -n 1 "$TMP/sorted")
say "$nr times; pause of IO in ms: median $(sed -n "$(((nr + 1) / 2))p" "$TMP/sorted"), maximum $most"
check "more than twice" test "$nr" -gt 2
check "no pause is longer than $((BOUND_MS * SCALE)) ms" test "$most" -le "$((BOUND_MS * SCALE))"
check "the supervisor is the one of before" kill -0 "$SUPERVISOR"
check "down" "$UBLK" down disk
wait "$SUPERVISOR"
check "ends it" test $? -eq 0
finish
