#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: bench/net.sh [--quick] [--rows REGEX] [--jobs REGEX] [--runs N] [--json FILE]
#
# make bench-net: what an IO costs in guest instructions, as bench/run.sh measures them,
# on disks of the same NBD server: of the kernel's client, of qemu-nbd and of the target
# nbd. Prints a table and what the target costs beside the other two, and writes JSON
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
	function beside(other, j) {
		if (!(("target nbd", j) in cost) || !((other, j) in cost))
			return "-"
		return sprintf("%.2f", cost["target nbd", j] / cost[other, j])
	}
	END {
		for (i = 1; i <= jobs; i++)
			printf "%-20s target nbd: %s of the kernel client, %s of qemu-nbd\n", job[i],
				beside("kernel nbd client", job[i]), beside("qemu-nbd -c", job[i])
	}'
echo "written to $json" >&2
