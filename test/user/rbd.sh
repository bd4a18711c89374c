#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: rbd.sh PROGRAM
#
# Start a real Ceph of one host for the program "rbd", see there, and run it. "make
# check-net" does that natively, in its root. KTAP.

set -u
program=$1
cd "$(dirname -- "$0")/../.." || exit 1
for need in ceph-mon ceph-osd rbd; do
	command -v "$need" >/dev/null || {
		echo "KTAP version 1"
		echo "1..0 # SKIP no program $need"
		exit 4
	}
done
# shellcheck source=tools/testing/selftests/ublk/lib.sh
. tools/testing/selftests/ublk/lib.sh >/dev/null
# shellcheck source=tools/testing/selftests/ublk/ceph.sh
. tools/testing/selftests/ublk/ceph.sh

ceph_start || exit 1
# What librbd keeps for ever are no leaks of ours.
ASAN_OPTIONS=detect_leaks=0 "$program"
