#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print the kselftests of this checkout, one name per line, in the order of
# their Makefile: it is asked through make, as it may compute them.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

dir=$TOP_DIR/tools/testing/selftests/ublk
[ -e "$dir/Makefile" ] || exit 0
tools=$("$VM_DIR/kernel-source.sh" --tools)
# shellcheck disable=SC2016
make -s -C "$dir" KSELFTEST_DIR="$tools/tools/testing/selftests" \
	--eval='ublk-list: ; @printf "%s\n" $(notdir $(TEST_PROGS) $(TEST_GEN_PROGS))' \
	ublk-list | sed '/^$/d'
