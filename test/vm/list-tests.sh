#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print the kselftests of this checkout, one per line in the order of their
# Makefile, which computes the names: the name, then the words of the "runner:"
# line in the test's source. README of the selftests says what the words mean; an
# unknown one is an error.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

dir=$TOP_DIR/tools/testing/selftests/ublk
[ -e "$dir/Makefile" ] || exit 0
tools=$("$VM_DIR/kernel-source.sh" --tools)
# shellcheck disable=SC2016
names=$(make -s -C "$dir" KSELFTEST_DIR="$tools/tools/testing/selftests" \
	--eval='ublk-list: ; @printf "%s\n" $(notdir $(TEST_PROGS) $(TEST_GEN_PROGS))' \
	ublk-list)
for name in $names; do
	source=$dir/$name
	[ "${name%.sh}" != "$name" ] || source=$source.c
	words=$(sed -n 's/^\( \*\|#\) runner: *//p' "$source")
	line=$name
	for word in $words; do
		case $word in
		distro | udev | cpus | debug | stock | leaks) ;;
		timeout=*[!0-9]* | timeout=) word= ;;
		timeout=*) ;;
		*) word= ;;
		esac
		[ -n "$word" ] || vm_die "$source: unknown word in the \"runner:\" line"
		line="$line $word"
	done
	printf '%s\n' "$line"
done
