#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: abi-coverage.sh [--table]
#
# Which test covers which numbered statement of the ABI. A test names what it
# covers in a comment, "covers: C-40 D-51". Every statement C-, D-, L-, I- and E- of
# Documentation/block/ublk-abi needs a test, or a line with the reason in
# test/abi-uncovered. Prints KTAP with the table as comments: a line per test with
# its statements, then the statements without a test; --table prints that alone.

set -euo pipefail
cd -- "$(dirname -- "$0")/.."

abi=Documentation/block/ublk-abi
reasons=test/abi-uncovered
mode=${1:-}

# A statement begins a paragraph ("C-1. ...") or is the first cell of a row, with
# two blanks at least behind it.
statements() {
	sed -nE 's/^([CDLIE]-[0-9]+[a-z]?)(\. |  ).*/\1/p' \
		"$abi"/{control,data,lifecycle,differences,extensions}.rst | sort -V
}

# "file statement", one line for each statement that a test names.
covered() {
	local file

	grep -rlE 'covers:' --include='*.c' --include='*.sh' \
		tools/testing/selftests/ublk test | sort |
	while read -r file; do
		sed -nE 's/.*covers: *(.*)/\1/p' "$file" |
			grep -oE '[CDLIE]-[0-9]+[a-z]?' | sort -uV |
			sed "s|^|$file |"
	done
}

# "statement reason"; a range C-1..C-9 stands for every statement in it.
excused() {
	awk '
		NR == FNR { order[++n] = $1; at[$1] = n; next }
		/^#/ || NF == 0 { next }
		{
			split($1, end, /\.\./)
			last = end[2] == "" ? end[1] : end[2]
			reason = $0
			sub(/^[^ \t]+[ \t]+/, "", reason)
			if (!(end[1] in at) || !(last in at)) {
				print "? " $1
				next
			}
			for (i = at[end[1]]; i <= at[last]; i++)
				print order[i], reason
		}' "$tmp/statements" "$reasons"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
statements >"$tmp/all"
sort -uV "$tmp/all" >"$tmp/statements"
covered >"$tmp/covered"
excused >"$tmp/excused"

awk '{print $2}' "$tmp/covered" | sort -uV >"$tmp/tested"
grep -vxF -f "$tmp/tested" "$tmp/statements" >"$tmp/untested" || true
awk '{print $1}' "$tmp/excused" | sort -uV >"$tmp/excused-ids"

# An excuse whose statement has got a test is left alone inside a range only.
unexcused=$(grep -vxF -f "$tmp/excused-ids" "$tmp/untested" || true)
unknown=$(grep -vxF -f "$tmp/statements" "$tmp/tested" || true)
twice=$(uniq -d "$tmp/all")
bad_reasons=$(sed -n 's/^? //p' "$tmp/excused")

table() {
	local id reason

	awk '{ s[$1] = s[$1] " " $2 } END { for (f in s) print f ":" s[f] }' \
		"$tmp/covered" | sort
	echo "statements without a test, and why:"
	while read -r id; do
		reason=$(sed -n "s/^$id //p" "$tmp/excused" | head -n 1)
		printf '%-8s %s\n' "$id" "${reason:-NO REASON GIVEN}"
	done <"$tmp/untested"
	printf '%d statements, %d with a test, %d without\n' \
		"$(wc -l <"$tmp/statements")" \
		"$(grep -cxF -f "$tmp/tested" "$tmp/statements")" \
		"$(wc -l <"$tmp/untested")"
}

if [ "$mode" = --table ]; then
	table
	exit 0
fi

result() {
	if [ -z "$3" ]; then
		echo "ok $1 $2"
	else
		echo "not ok $1 $2"
		while read -r id; do echo "# $id"; done <<<"$3"
		failed=1
	fi
}

failed=
echo "TAP version 13"
echo "1..4"
result 1 "every ABI statement has a test or a reason" "$unexcused"
result 2 "tests name statements that exist" "$unknown"
result 3 "reasons name statements that exist" "$bad_reasons"
result 4 "statements are made once" "$twice"
table | sed 's/^/# /'
[ -z "$failed" ]
