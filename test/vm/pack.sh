#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: pack.sh WORKDIR OUTPUT [--distro-driver]
#
# Pack what the guest unpacks over its root: the copy of the checkout as /ublk
# without object files, the stage, and the kselftest harness. With
# --distro-driver our module stays out, so that modprobe finds the other one.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

work=$1
output=$2
distro=${3:-}

mkdir -p "$work/src" "$work/stage"
tools=$("$VM_DIR/kernel-source.sh" --tools)
args=(--owner=0 --group=0 -cf "$output" --exclude='*.o' --exclude='*.a'
	--exclude='*.cmd' --exclude='*.mod.c' --exclude='src/drivers/*.ko'
	--exclude='.tmp_*')
[ -z "$distro" ] || args+=(--exclude='usr/lib/modules')

cd "$work"
parts=(src)
[ ! -e stage/usr ] || parts+=(stage/usr)
# src becomes /ublk, stage/x becomes /x.
tar "${args[@]}" --transform='s,^src,ublk,' --transform='s,^stage/,,' \
	--transform='s,^tools/testing,usr/src/linux-tools/tools/testing,' \
	"${parts[@]}" \
	-C "$tools" tools/testing/selftests/lib.mk \
	tools/testing/selftests/kselftest tools/testing/selftests/kselftest.h \
	tools/testing/selftests/kselftest_harness.h
