#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: debug-kernel.sh [--kcsan] [SERIES]
#
# Print the directory with the debug kernel (KASAN, lockdep, UBSAN, kmemleak, fault
# injection ...: debug.config), or with the one that looks for data races of modules
# instead (kcsan.config), in the form that run.sh --kernel takes:
#   vmlinuz    kernel; "release" holds its version
#   boot/      empty: all that a boot needs is built in
#   build/     what modules are built against
#   modules/   usr/lib/modules/RELEASE
#   config     the complete configuration
# Made from the guest's kernel source on first use, which takes seven minutes on
# two processors. The key of the cached result is the version of the source,
# the configuration and compile() below.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

args=("$@")
flavour=debug
make_flags=
if [ "${1:-}" = --kcsan ]; then
	flavour=kcsan
	# As if it were in every makefile of the kernel; not in those of modules.
	make_flags=KCSAN_SANITIZE=n
	shift
fi
case $# in
0) ;;
1) export KERNEL=$1 ;;
*) vm_die "usage: $VM_PROG [--kcsan] [SERIES]" ;;
esac

vm_become_root "${args[@]}"
umask 022

# What is added to "make tinyconfig": debug.config, but an option that the
# flavour's own file has is as that says.
fragment() {
	if [ "$flavour" = debug ]; then
		cat "$VM_DIR/debug.config"
	else
		vm_debug_config "$VM_DIR/$flavour.config"
	fi
}

# Runs in the chroot: /mnt/source is the kernel source, read-only, /mnt/out the
# directory of the result.
#
# Sanitizers check the code that handles objects of a block driver, as the driver
# itself: what the other half of the kernel does with its own memory is not what
# the tests look for, and its checks took a third of all time.
compile() {
	set -eu
	local out=/mnt/out checked

	checked="block block/% drivers/base drivers/base/% drivers/block drivers/block/%"
	checked="$checked fs fs/debugfs fs/kernfs fs/sysfs io_uring kernel kernel/irq"
	checked="$checked kernel/locking kernel/rcu kernel/sched kernel/time lib lib/%"
	kmake() {
		make -C /mnt/source "O=$out/obj" -j"$(nproc)" \
			"KASAN_SANITIZE=\$(if \$(filter $checked,\$(obj)),,n)" \
			"UBSAN_SANITIZE=\$(if \$(filter $checked,\$(obj)),,n)" "$@"
	}
	mkdir -p "$out/obj" "$out/boot" "$out/build"
	kmake tinyconfig
	cat "$out/fragment" >>"$out/obj/.config"
	kmake olddefconfig
	cp "$out/obj/.config" "$out/config"
	lost=$(lost_options "$out/fragment" "$out/config")
	[ -z "$lost" ] || {
		printf 'options lost from debug.config:\n%s\n' "$lost"
		exit 1
	}
	kmake bzImage modules
	kmake -s kernelrelease | grep '^[0-9]' >"$out/release"
	cp "$out/obj/arch/x86/boot/bzImage" "$out/vmlinuz"
	kmake INSTALL_MOD_PATH="$out/modules/usr" modules_install
	rm -f "$out"/modules/usr/lib/modules/*/build
	# shellcheck disable=SC2016 # for make
	kmake run-command \
		KBUILD_RUN_COMMAND='$(srctree)/scripts/package/install-extmod-build /mnt/out/build'
	cp "$out/obj/.config" "$out/build/"
	rm -rf "$out/obj" "$out/fragment"
}

make_kernel() {
	local root

	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	vm_log "compiling the $flavour kernel of $(basename "$source"): some minutes"
	root=$("$VM_DIR/compile-root.sh")/root
	mkdir "$tmp/out"
	{
		fragment
		printf 'CONFIG_LOCALVERSION="-%s-%s"\n' "$flavour" "$key"
	} >"$tmp/out/fragment"
	vm_compiler "$root" "$tmp/out" "$(declare -f lost_options compile)
		export MAKEFLAGS='$make_flags'
		compile" "$source:/mnt/source" >"$tmp/log" 2>&1 || {
		grep -n -m 20 -A 5 -i -E 'error|lost from' "$tmp/log" >&2
		tail -n 20 "$tmp/log" >&2
		vm_die "the $flavour kernel does not compile (see above)"
	}
	rm -rf "$dir"
	mv "$tmp/out" "$dir"
	vm_log "$flavour kernel ready after $(($(date +%s) - VM_T0)) s: $dir"
}

source=$("$VM_DIR/kernel-source.sh")
key=$({ fragment; declare -f compile; printf '%s' "$make_flags"; } | sha256sum | cut -c1-8)
version=$(basename "$source")
dir=$VM_CACHE/$flavour-${version#source-}-$key
vm_lock 9 "$flavour-kernel"
[ -e "$dir/release" ] || make_kernel
vm_used "$flavour" "$dir"
printf '%s\n' "$dir"
