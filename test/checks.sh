# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Checks of a test on the host that prints KTAP. Sourced, never run; the test has made a
# directory $tmp, and ends with checks_end.

number=0
failed=0

# check NAME FUNCTION [ARG...]: it prints what is wrong and returns 1.
check() {
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/said" 2>&1; then
		echo "ok $number $name"
	else
		sed 's/^/# /' "$tmp/said"
		echo "not ok $number $name"
		failed=1
	fi
}

checks_end() {
	echo "1..$number"
	exit "$failed"
}
