# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034
#
# Part of intree.sh and check-intree.sh: the driver in a kernel tree. Sourced behind
# lib.sh, never run.
#
# The kernel source in the cache is never written to. The series is exported into a
# small git repository that has the files of the kernel which it touches. In the
# chroot, these directories of the repository lie over those of the source.
#
# The caller sets: source, the kernel source; tmp, its temporary directory.

# What of the source the series touches.
INTREE_OVER="drivers/block include/uapi/linux/ublk_cmd.h Documentation/block
	tools/testing/selftests/Makefile MAINTAINERS"

# intree_export DIR: make the repository, and the series in it. The commit before it
# is in $tmp/base.
intree_export() {
	local tree=$1

	mkdir -p "$tree"
	# shellcheck disable=SC2086 # a list
	(cd "$source" && cp -a --parents $INTREE_OVER "$tree") || return
	git -C "$tree" init -q &&
		git -C "$tree" config user.name "ublk" &&
		git -C "$tree" config user.email "ublk@localhost" &&
		git -C "$tree" config gc.auto 0 &&
		git -C "$tree" add -A &&
		git -C "$tree" commit -q -m "Linux source" &&
		git -C "$tree" rev-parse HEAD >"$tmp/base" &&
		"$TOP_DIR/scripts/export.sh" "$tree"
}

# intree_objects ROOT NAME WORD...: set objects to the cache's directory with what was
# compiled for a machine, with the compilers in ROOT. Its file "fragment" is what is
# added to tinyconfig: intree.config and the words.
intree_objects() {
	local root=$1 name=$2 fragment
	shift 2

	fragment=$(sed '/^#/d' "$VM_DIR/intree.config"; printf '%s\n' "${@:2}")
	objects=$VM_CACHE/objects-$name-$(printf '%s' "$source $root $1 $fragment" |
		sha256sum | cut -c1-8)
	mkdir -p "$objects"
	printf '%s\n' "$fragment" >"$objects/fragment"
	vm_used objects "$objects"
}

# intree_run ROOT OUT TREE SCRIPT: run it in the chroot with the compilers: /mnt/source
# is the kernel source with the repository TREE in it, which is also /mnt/tree; /mnt/out
# is OUT, and writable.
intree_run() {
	local root=$1 out=$2 tree=$3 script=$4 over=() path

	for path in $INTREE_OVER; do
		over+=("$tree/$path:/mnt/source/$path")
	done
	(
		vm_lock 7 "$(basename "$out")"
		vm_compiler "$root" "$out" "$script" "$source:/mnt/source" \
			"$tree:/mnt/tree" "${over[@]}"
	)
}
