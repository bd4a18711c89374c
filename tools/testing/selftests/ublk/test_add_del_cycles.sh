#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Add and delete two hundred devices one after the other, and many at once.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require

cycle() {
	local i

	for i in $(seq "$1"); do
		try_add -t null --quiet -n 4 -d 4 || true
		[ -b /dev/ublkb4 ] || { echo "turn $i: no disk"; return 1; }
		del_dev 4 || { echo "turn $i: not deleted"; return 1; }
		[ ! -e /dev/ublkb4 ] || { echo "turn $i: disk left"; return 1; }
		[ ! -e /dev/ublkc4 ] || { echo "turn $i: node left"; return 1; }
	done
}

many() {
	local ids=()

	for _ in $(seq "$1"); do
		try_add -t null -d 4 || return
		ids+=("$DEV")
	done
	[ "$("$UBLK" list | grep -c '^dev id')" -ge "$1" ] || return
	for DEV in "${ids[@]}"; do
		del_dev || return
	done
}

LIB_DEVS+=(4)
n=$(less 200)
check "$n cycles" cycle "$n"
check "16 devices at once" many 16
check "nothing is left" test -z "$("$UBLK" list)"
finish
