#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: bench/run.sh [--quick] [--rows REGEX] [--jobs REGEX] [--runs N]
#                     [--driver our|distribution|two-cpus] [--json FILE]
#
# Measures the cost of an IO in guest instructions. The guest runs under QEMU's
# instruction clock (one processor, one nanosecond an instruction, no idle
# time), so a second run gives the same figures. It boots once with the
# distribution's driver and once with ours, and the same daemon runs in every
# data mode on both. A third boot has our driver on two processors, and counts
# the instructions of both, beside the kernel's loop driver. Prints a table, and
# writes it as JSON (default build/bench.json).
#
# --rows, --jobs	only names that match, for example --rows "null zero-copy"
# --runs N	take the lowest of N runs (default 3)
# --driver D	only this boot
# --quick	only our driver, one run
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")/.." && pwd)
json=$top/build/bench.json
drivers=(distribution our two-cpus) rows=. jobs=. runs=3

usage() {
	sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--quick) drivers=(our) runs=1; shift; continue ;;
	esac
	[ $# -ge 2 ] || usage
	case $1 in
	--rows) rows=$2 ;;
	--jobs) jobs=$2 ;;
	--runs) runs=$2 ;;
	--driver) drivers=("$2") ;;
	--json) json=$2 ;;
	*) usage ;;
	esac
	shift 2
done
for driver in "${drivers[@]}"; do
	[[ $driver =~ ^(our|distribution|two-cpus)$ ]] || usage
done

out=$(mktemp)
trap 'rm -f "$out"' EXIT

# The program without the counters of "ublk stat", for the rows that say what these
# cost, in the copy of the checkout that the guest sees.
build_uncounted() {
	# shellcheck disable=SC2016 # for the shell in there
	"$top/test/vm/chroot.sh" -- sh -ec '
		mkdir -p build/uncounted
		ln -sfn /ublk/drivers /ublk/include build/uncounted/
		tar -c --exclude="*.[oad]" --exclude=ublksrv/ublk ublksrv |
			tar -x -C build/uncounted
		make -s -j"$(nproc)" -C build/uncounted/ublksrv \
			CPPFLAGS=-DUBLK_NO_STAT ublk' >&2
}

# The target that measures extents.
build_pieces() {
	"$top/test/vm/chroot.sh" -- sh -ec '
		mkdir -p build/pieces
		cc -O2 -Wall -Wextra -Werror -shared -fPIC -Iublksrv/include \
			-o build/pieces/ublk-target-pieces.so bench/pieces.c' >&2
}

measure() {
	local driver=$1 args=() text

	echo "bench: measuring: $driver" >&2
	case $driver in
	distribution) args=(--distro-driver) ;;
	two-cpus) args=(--smp 2) ;;
	esac
	text=$(MEM=3G "$top/test/vm/run.sh" --quiet --icount --timeout 3000 \
		"${args[@]}" -- bench/guest.sh "$driver" "$runs" "$rows" "$jobs") || {
		printf '%s\n' "$text" >&2
		echo "bench: the guest failed, see above" >&2
		exit 1
	}
	grep '^ROW' <<<"$text" | tr -d '\r' >>"$out" || true
	grep -v "^ROW" <<<"$text" >&2 || true
}

build_uncounted
build_pieces
for driver in "${drivers[@]}"; do
	measure "$driver"
done

mkdir -p "$(dirname -- "$json")"
awk -F'\t' -v json="$json" -f "$top/bench/table.awk" "$out"
echo
"$top/scripts/performance.pl" --print "$json"
echo "written to $json" >&2
