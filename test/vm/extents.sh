#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: extents.sh [--seconds N] [--move] [OPTION of check.sh]...
#
# What extents need long for, and "make check" has no time for: a disk whose data moves
# for N seconds (600) while it is verified and its servers are killed; and all tests of
# the protocol with devices that have an empty table of extents. --move leaves the
# second part out.
set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

seconds=600
move=
args=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=$2; shift ;;
	--move) move=1 ;;
	*) args+=("$1") ;;
	esac
	shift
done
vm_number --seconds "$seconds"

status=0
"$VM_DIR/run.sh" --timeout $((seconds * 2 + 300)) -- \
	env "UBLK_EXTENTS_SECONDS=$seconds" "FIO_SECONDS=$((seconds + 120))" \
	tools/testing/selftests/ublk/test_extents_move.sh || status=1
[ -n "$move" ] ||
	UBLK_TEST_EXTENTS=1 "$VM_DIR/check.sh" --tests "uapi_*" "${args[@]}" || status=1
exit "$status"
