#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: bench/run.sh [--quick] [--json FILE]
#
# What an IO costs, in guest instructions: boots the guest under the instruction
# clock (one processor, an instruction is a nanosecond, idle time is skipped), so
# a second run gives the same digits. Two boots: the distribution's driver, ours;
# the same daemon on both. Prints one table, and writes it as JSON
# (default build/bench.json).
#
# --quick measures our driver only.
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")/.." && pwd)
json=$top/build/bench.json
quick=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--json) json=$2; shift ;;
	*) sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 2 ;;
	esac
	shift
done

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

measure() {
	local out

	echo "bench: measuring with the $1 driver" >&2
	out=$(MEM=3G "$top/test/vm/run.sh" --quiet --icount --timeout 1200 \
		"${@:2}" -- bench/guest.sh "$1") || {
		printf '%s\n' "$out" >&2
		echo "bench: the guest failed, see above" >&2
		exit 1
	}
	grep '^ROW' <<<"$out" | tr -d '\r' >>"$rows"
	grep -v "^ROW" <<<"$out" >&2 || true
}

[ -n "$quick" ] || measure distribution --distro-driver
measure our

mkdir -p "$(dirname -- "$json")"
awk -F'\t' -v json="$json" -f "$top/bench/table.awk" "$rows"
echo "written to $json" >&2
