#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Data moves between two block devices while it is read and written, and the server
# that moves it is killed again and again: no wrong byte.
#
# UBLK_EXTENTS_SECONDS	how long servers are killed; then every piece has to move, too
#
# covers: E-77 E-80 E-81 E-85
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS fio module:null_blk
MOVER=$LIB_DIR/extent_mover
[ -x "$MOVER" ] || skip_all "no program extent_mover"
STATE=/sys/kernel/debug/ublk
MIB=32

null_device ublk_move_a size=34 blocksize=512
A=$NULL
null_device ublk_move_b size=34 blocksize=512 irqmode=2 completion_nsec=200000
B=$NULL

mover() {
	"$MOVER" "$@" "$A" "$B" "$TMP/map" "$MIB" >"$TMP/mover" 2>"$TMP/mover.err" &
	MOVER_PID=$!
}

started() {
	grep -qx '[0-9]*' "$TMP/mover"
}

mover add
busywait 10000 started || die "the mover does not start: $(cat "$TMP/mover.err")"
DEV=$(cat "$TMP/mover")
LIB_DEVS+=("$DEV")
BDEV=/dev/ublkb$DEV
busywait 5000 test -b "$BDEV" || die "no $BDEV"

extents() {
	awk -v n="$1" '$1 == "extents" { exit !($2 > n) }' "$STATE/$DEV/state"
}

# In the background, so that the server can be killed meanwhile.
verify_begin() {
	fio_verify "$BDEV" --bsrange=4k-128k --iodepth=16 --size=${MIB}m --fsync=64 \
		--time_based --runtime="$1" --verify_backlog=256 "${@:2}" &
	FIO=$!
}

[ ! -d "$STATE" ] || check "the table is in pieces" busywait 10000 extents 10
verify_begin "$(less 15)"
check "data that moves verifies" wait "$FIO"
check "the mover lives" kill -0 "$MOVER_PID"

verify_begin "${UBLK_EXTENTS_SECONDS:-$(less 30)}"
kills=0
while kill -0 "$FIO" 2>/dev/null; do
	pause 0.7
	kill -9 "$MOVER_PID"
	wait "$MOVER_PID" 2>/dev/null
	mover recover "$DEV"
	if ! busywait 20000 started; then
		sed 's/^/# /' "$TMP/mover.err"
		break
	fi
	kills=$((kills + 1))
done
check "data verifies while servers are killed" wait "$FIO"
say "$kills servers were killed"
check "they were" test "$kills" -gt 3

# What lies on the stores is what the disk says, also without extents.
verify_begin "$(less 5)" --rw=randwrite --do_verify=1
check "random writes verify" wait "$FIO"
check "device is deleted" del_dev
check "the mover ends" wait "$MOVER_PID"
sed 's/^/# /' "$TMP/mover.err"
moves=$(tail -n 1 "$TMP/mover")
say "$moves"
least=${moves%% at least*}
[ -z "${UBLK_EXTENTS_SECONDS:-}" ] ||
	check "every piece has moved" test "${least##* }" -gt 0
finish
