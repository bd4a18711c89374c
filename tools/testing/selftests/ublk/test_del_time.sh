#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long "ublk del" takes. It does not wait until io_uring has freed the daemon's
# rings, and with "del -a" the time for a device does not grow with their number. On
# an idle machine a deletion takes 15 ms and that of 500 devices 5 s; the bounds leave
# room for an emulated one that does other things as well.
#
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

MANY=$(less 500)
ONE_MS=$((1500 * SCALE))
MANY_MS=$((40000 * SCALE))

# The median of nine deletions.
del_one() {
	local i start times=()

	for ((i = 0; i < 9; i++)); do
		add_dev -t null --no-auto-part-scan
		start=$(now_ms)
		del_dev || return
		times+=("$(($(now_ms) - start))")
	done
	mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
	say "one device: ${times[*]} ms"
	[ "${times[4]}" -le "$ONE_MS" ]
}

add_many() {
	local i

	for ((i = 0; i < MANY; i++)); do
		"$UBLK" add -t null -d 8 --no-auto-part-scan --quiet || return
	done
}

del_many() {
	local start took

	start=$(now_ms)
	"$UBLK" del -a || return
	took=$(($(now_ms) - start))
	say "$MANY devices: $took ms"
	[ "$took" -le "$MANY_MS" ]
}

check "one device: below $ONE_MS ms" del_one
defer "$UBLK" del -a
check "$MANY devices: added" add_many
check "$MANY devices: below $MANY_MS ms" del_many
check "nothing is left" prints 0 sh -c 'ls /sys/class/ublk-char | wc -l'
finish
