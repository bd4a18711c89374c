#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: bench/net.sh [--quick] [--rows REGEX] [--jobs REGEX] [--runs N] [--json FILE]
#
# make bench-net: what an IO costs in guest instructions, as bench/run.sh measures them,
# on disks of the same NBD server: of the kernel's client, of qemu-nbd and of the target
# nbd; and on the same image of a Ceph: of the kernel's client, of rbd-nbd and of the
# target rbd. Prints a table and what the targets cost beside the others, and writes JSON
# (default build/bench-net.json). The guest is that of "make check-net".
#
# --rows, --jobs	only names that match
# --runs N	take the lowest of N runs (default 3)
# --quick	one run
set -euo pipefail

top=$(cd -- "$(dirname -- "$0")/.." && pwd)
json=$top/build/bench-net.json
rows=. jobs=. runs=3

usage() {
	sed -n '/^# usage/,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--quick) runs=1; shift; continue ;;
	esac
	[ $# -ge 2 ] || usage
	case $1 in
	--rows) rows=$2 ;;
	--jobs) jobs=$2 ;;
	--runs) runs=$2 ;;
	--json) json=$2 ;;
	*) usage ;;
	esac
	shift 2
done

out=$(mktemp)
trap 'rm -f "$out"' EXIT
MEM=4G UBLK_ROOT=net "$top/test/vm/run.sh" --quiet --no-tests --icount --timeout 6000 -- \
	bench/net-guest.sh "$runs" "$rows" "$jobs" >"$out" || {
	cat "$out" >&2
	echo "bench: the guest failed, see above" >&2
	exit 1
}
sed -i 's/\r$//' "$out"
grep -v '^ROW' "$out" >&2 || true
mkdir -p "$(dirname -- "$json")"
grep '^ROW' "$out" | awk -F'\t' -v json="$json" -f "$top/bench/table.awk"
echo
grep '^ROW' "$out" | awk -F'\t' '
	{ cost[$2, $3] = $4; if (!($3 in seen)) { seen[$3] = 1; job[++jobs] = $3 } }
	function beside(ours, other, j) {
		if (!((ours, j) in cost) || !((other, j) in cost))
			return "-"
		return sprintf("%.2f", cost[ours, j] / cost[other, j])
	}
	function compare(ours, first, second, i) {
		for (i = 1; i <= jobs; i++)
			printf "%-20s %s: %s of %s, %s of %s\n", job[i], ours,
				beside(ours, first, job[i]), first,
				beside(ours, second, job[i]), second
	}
	END {
		compare("target nbd", "kernel nbd client", "qemu-nbd -c")
		compare("target rbd", "kernel rbd client", "rbd-nbd")
	}'
echo "written to $json" >&2
