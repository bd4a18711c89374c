#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check-intree.sh [--no-patches] [--less N] [--tests "PATTERN..."]
#
# make check-intree: what a kernel developer does with the series. Export it into the
# kernel source (scripts/export.sh) and compile each of its patches, then a kernel with
# the driver built in and the kselftests. Boot that kernel, and run
#
#	make -C tools/testing/selftests TARGETS=ublk run_tests
#
# in the guest, in a directory with what of the source that takes. PATTERN is a glob on
# names of tests: only these are run, and the patches are not compiled one by one, as
# with --no-patches. --less is UBLK_TEST_LESS for the tests, by what they divide their
# repetitions, 4 without the option: one guest runs them one after the other.
#
# What does not depend on the driver is compiled once and kept in the cache. KTAP, and
# the time that it took.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=test/vm/intree-lib.sh
. "$VM_DIR/intree-lib.sh"

args=("$@")
patterns=
patches=1
less=4
while [ $# -gt 0 ]; do
	case $1 in
	--tests) patterns=$2; patches=; shift ;;
	--no-patches) patches= ;;
	--less) less=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done
vm_number --less "$less"
vm_become_root "${args[@]}"
umask 022

# What of the source "make run_tests" reads; the rest of the directory comes from the
# series.
RUN_PATHS="Makefile scripts/subarch.include scripts/Makefile.arch scripts/Makefile.include
	scripts/Makefile.compiler tools/scripts tools/build tools/include
	tools/testing/selftests/lib.mk tools/testing/selftests/Makefile
	tools/testing/selftests/kselftest tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h tools/testing/selftests/run_kselftest.sh
	tools/testing/selftests/kselftest_install.sh"

# Runs in the chroot: the kernel, its modules and UAPI headers, in /mnt/out.
# shellcheck disable=SC2317,SC2329
compile_kernel() {
	set -eu
	local out=/mnt/out lost

	kmake() {
		make -s -C /mnt/source "O=$out/obj" -j"$(nproc)" "$@"
	}
	mkdir -p $out/obj $out/boot
	cmp -s $out/fragment $out/configured || {
		kmake tinyconfig
		cat $out/fragment >>$out/obj/.config
		kmake olddefconfig
		lost=$(lost_options $out/fragment $out/obj/.config)
		[ -z "$lost" ] || { printf 'error: options lost:\n%s\n' "$lost"; exit 1; }
		cp $out/fragment $out/configured
	}
	kmake bzImage modules
	kmake kernelrelease >$out/release
	cp $out/obj/arch/x86/boot/bzImage $out/vmlinuz
	rm -rf $out/share/modules
	kmake INSTALL_MOD_PATH=$out/share/modules modules_install
	rm -f $out/share/modules/lib/modules/*/build
	kmake INSTALL_HDR_PATH=$out/share/linux/usr headers_install
}

# Runs in the chroot: the tests, where they will lie in the guest.
# shellcheck disable=SC2317,SC2329
compile_tests() {
	set -eu
	local linux=/mnt/out/share/linux

	cd /mnt/source
	# shellcheck disable=SC2086 # a list
	cp -a --parents $1 $linux/
	cd /mnt/tree
	cp -Ru --preserve=mode --parents drivers/block/ublk include/uapi/linux/ublk_cmd.h \
		tools/testing/selftests/ublk tools/testing/selftests/Makefile $linux/
	make -s -C $linux/tools/testing/selftests -j"$(nproc)" TARGETS=ublk
}

step() {
	local name=$1 started status=0
	shift

	number=$((number + 1))
	started=$(date +%s)
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $number $name"
	else
		tail -n 60 "$tmp/log" | sed 's/^/# /'
		echo "not ok $number $name"
		status=1
	fi
	echo "# $name: $(($(date +%s) - started)) s"
	return "$status"
}

kernel() {
	vm_debug_config "$VM_DIR/builtin.config" | sed '/^#/d;/^$/d' >"$objects/fragment"
	intree_run "$root" "$objects" "$tree" \
		"$(declare -f compile_kernel lost_options); compile_kernel"
}

tests() {
	intree_run "$root" "$objects" "$tree" \
		"$(declare -f compile_tests); compile_tests '$(xargs <<<"$RUN_PATHS")'"
}

# Runs in the guest: what was compiled goes to where that was. A test may take as long
# as the longest one of "make check", whatever "settings" says for a real machine.
# shellcheck disable=SC2317,SC2329
run_tests() {
	set -eu
	local linux=/mnt/out/share/linux names=() name pattern

	export UBLK_TEST_LESS=$1 UBLK_TEST_SCALE=4 kselftest_override_timeout=1800
	shift

	cp -a /share/modules/lib/modules/. /usr/lib/modules/
	mkdir -p /mnt/out/share
	cp -a /share/linux /mnt/out/share/
	cd "$linux/tools/testing/selftests"
	if [ $# -eq 0 ]; then
		exec make -s TARGETS=ublk run_tests
	fi
	for pattern; do
		for name in ublk/$pattern; do
			names+=("$PWD/$name")
		done
	done
	export BASE_DIR=$PWD
	set +eu
	# shellcheck source=/dev/null
	. kselftest/runner.sh
	run_many "${names[@]}"
}

boot() {
	local words=()

	read -r -a words <<<"$patterns"
	"$VM_DIR/run.sh" --quiet --no-build --kernel "$objects" --share "$objects/share" \
		--smp 4 --append "possible_cpus=32 log_buf_len=8M" --timeout 7200 -- \
		bash -c "$(declare -f run_tests); run_tests \"\$@\"" run_tests "$less" "${words[@]}" |
		tee "$tmp/results"
	return "${PIPESTATUS[0]}"
}

# What the kselftests' runner prints: one line for each test, the test's own as
# comments.
judge() {
	local plan results

	plan=$(sed -n 's/^1\.\.//p' "$tmp/results" | head -n 1)
	results=$(grep -cE '^(not )?ok [0-9]+ selftests: ' "$tmp/results")
	if [ "${plan:-0}" -eq 0 ] || [ "$plan" -ne "$results" ]; then
		echo "# $results results of ${plan:-no} tests"
		return 1
	fi
	! grep -q '^not ok ' "$tmp/results"
}

number=0
failed=0
root=$("$VM_DIR/compile-root.sh")/root || exit 1
source=$("$VM_DIR/kernel-source.sh") || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-intree.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
tree=$tmp/tree

all_steps() {
	echo "KTAP version 1"
	[ -z "$patches" ] || step "each patch compiles" "$VM_DIR/intree.sh" --patches
	step "export" intree_export "$tree" || return
	intree_objects "$root" builtin -
	step "a kernel with the driver built in" kernel || return
	step "the kselftests compile" tests || return
	echo "# make -C tools/testing/selftests TARGETS=ublk run_tests"
	boot || failed=1
	judge || failed=1
	[ "$failed" -eq 0 ] || echo "not ok $((number + 1)) run_tests"
}

all_steps | tee "$tmp/all"
echo "# took $(($(date +%s) - VM_T0)) s"
awk -f "$VM_DIR/ktap.awk" "$tmp/all"
