#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: klog-scan.sh [FILE]
#
# Look through a kernel log (standard input by default) for what must never be
# in one: klog.patterns has one extended regular expression per line. Prints each
# find with the lines after it and exits 1; exits 0 when there is none. Runs on
# the host over the whole console and in the guest over one test's part.

set -eu
dir=$(cd -P -- "$(dirname -- "$0")" && pwd)
awk -v patterns="$dir/klog.patterns" '
BEGIN {
	while ((getline line < patterns) > 0)
		any = any (any == "" ? "" : "|") "(" line ")"
	close(patterns)
	if (any == "") {
		print "klog-scan: no patterns in " patterns > "/dev/stderr"
		exit failed = 2
	}
}
{ sub(/\r$/, "") }
$0 ~ any { found++; if (shown < 200) left = 25 }
left > 0 { print; left--; shown++ }
END {
	if (failed)
		exit failed
	if (found)
		printf "klog-scan: %d suspicious lines\n", found
	exit found > 0
}' "${1:--}"
