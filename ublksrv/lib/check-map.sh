#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR MIT
#
# usage: check-map.sh HEADER MAP
#
# Compare the functions that the public header declares with the symbols that
# the version script exports. Exit status 1, and a line for each difference.

set -eu

awk '
	FNR == 1 { file++ }
	# A prototype begins in the first column; inline functions are static.
	file == 1 && /^[a-z]/ && !/^(static|typedef) / &&
	match($0, /ublk_[a-z0-9_]+\(/) {
		declared[substr($0, RSTART, RLENGTH - 1)]
	}
	file == 2 && /^\t\t[^ ]+;$/ && !/^\t\t\*;$/ {
		gsub(/[\t;]/, "")
		exported[$0]
	}
	END {
		for (name in declared) {
			nr++
			if (name in exported)
				continue
			print ARGV[2] ": " name "() of " ARGV[1] " is missing"
			bad = 1
		}
		for (name in exported) {
			if (name in declared)
				continue
			print ARGV[2] ": " name " is not a function of " ARGV[1]
			bad = 1
		}
		if (!nr) {
			print ARGV[1] ": declares no functions"
			bad = 1
		}
		exit bad
	}' "$1" "$2" >&2
