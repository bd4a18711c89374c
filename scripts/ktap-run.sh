#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs test programs that print KTAP and prints one KTAP document with each
# program as a test and its own tests nested in it. A program that exits with a
# status, dies, hangs or prints fewer results than it planned is "not ok";
# status 4 is a skip, as in kselftest.
#
# usage: ktap-run.sh [-t SECONDS] PROGRAM...

deadline=300
if [ "$1" = -t ]; then
	deadline=$2
	shift 2
fi

echo "KTAP version 1"
echo "1..$#"

nr=0
failed=0
for prog; do
	nr=$((nr + 1))
	name=${prog##*/}
	start=$SECONDS
	out=$(mktemp)
	echo "# $name"
	timeout -k 5 "$deadline" "$prog" </dev/null 2>&1 |
		tee "$out" | sed 's/^/    /'
	status=${PIPESTATUS[0]}

	planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$out" | head -n 1)
	seen=$(grep -cE '^(not )?ok [0-9]+' "$out")
	skip=$(sed -n 's/^1\.\.0 # SKIP *//p' "$out" | head -n 1)
	reason=
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		reason="no end after $deadline s"
	elif [ "$status" -eq 4 ]; then
		reason=
	elif [ "$status" -ne 0 ]; then
		reason="exit status $status"
	elif grep -q '^not ok' "$out"; then
		reason="a test failed"
	elif [ "${planned:-0}" -eq 0 ] || [ "$seen" -ne "$planned" ]; then
		reason="$seen results of ${planned:-no plan}"
	fi
	rm -f "$out"

	if [ "$status" -eq 4 ]; then
		echo "ok $nr $name # SKIP $skip"
	elif [ -n "$reason" ]; then
		failed=$((failed + 1))
		echo "not ok $nr $name # $reason"
	else
		echo "ok $nr $name # $((SECONDS - start)) s"
	fi
done

echo "# Totals: pass:$((nr - failed)) fail:$failed"
[ "$failed" -eq 0 ]
