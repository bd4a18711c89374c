#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: intree.sh [--jobs N] [MACHINE...]
#        intree.sh [--jobs N] --patches
#        intree.sh --list
#
# Export the driver into the kernel source (scripts/export.sh) and compile it there,
# as a module and built in, with W=1; a warning is an error. MACHINE is a line of the
# table below, by default "x86_64"; "all" are all of them, which is "make check-cross"
# (cross.sh).
#
# --patches compiles what each patch of the series brings, for x86_64, and runs the
# kernel's checkpatch over each. --list prints the machines. KTAP.
#
# What does not depend on the driver is compiled once for each machine and kept in
# the cache.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=test/vm/intree-lib.sh
. "$VM_DIR/intree-lib.sh"

# NAME ARCH COMPILER KINDS OPTION...: COMPILER is the prefix of gcc, "-" for the
# machine's own gcc, or "clang". KINDS are m (module), y (built in) and s (sparse looks
# at each file). The options are added to intree.config.
machines() {
	cat <<-'END'
		x86_64        x86_64  -                     my
		x86_64-sparse x86_64  -                     s  CONFIG_64BIT=y
		x86_64-clang  x86_64  clang                 my
		i386          i386    -                     mys
		i386-clang    i386    clang                 y
		arm           arm     arm-linux-gnueabihf-  ys CONFIG_MMU=y
		arm-clang     arm     clang                 m  CONFIG_MMU=y
		arm64         arm64   aarch64-linux-gnu-    ys CONFIG_ARM64_4K_PAGES=y
		arm64-64k     arm64   aarch64-linux-gnu-    m  CONFIG_ARM64_64K_PAGES=y
		arm64-clang   arm64   clang                 m  CONFIG_ARM64_64K_PAGES=y
		riscv64       riscv   riscv64-linux-gnu-    ys CONFIG_64BIT=y CONFIG_ARCH_RV64I=y
		riscv64-clang riscv   clang                 m  CONFIG_64BIT=y CONFIG_ARCH_RV64I=y
		s390x         s390    s390x-linux-gnu-      ys CONFIG_64BIT=y
		s390x-clang   s390    clang                 m  CONFIG_64BIT=y
		powerpc64     powerpc powerpc64-linux-gnu-  ys CONFIG_PPC64=y CONFIG_CPU_BIG_ENDIAN=y
		ppc64le-clang powerpc clang                 m  CONFIG_PPC64=y CONFIG_CPU_LITTLE_ENDIAN=y
	END
}

# Runs in the chroot: compile NAME ARCH COMPILER KIND JOBS, in /mnt/out. KIND is one
# letter of KINDS.
# shellcheck disable=SC2317,SC2329
compile() {
	set -eu
	local name=$1 arch=$2 compiler=$3 kind=$4 jobs=$5 obj=/mnt/out/obj value=$4 flags

	flags=()
	case $compiler in
	-) ;;
	clang) flags+=(LLVM=1) ;;
	*) flags+=("CROSS_COMPILE=$compiler") ;;
	esac
	kmake() {
		make -s -C /mnt/source "O=$obj" "ARCH=$arch" "${flags[@]}" W=1 -j"$jobs" "$@"
	}
	mkdir -p "$obj"
	if [ ! -e "$obj/prepared" ]; then
		kmake tinyconfig
		cat /mnt/out/fragment >>"$obj/.config"
		echo CONFIG_BLK_DEV_UBLK=m >>"$obj/.config"
		kmake olddefconfig
		lost=$(lost_options /mnt/out/fragment "$obj/.config")
		[ -z "$lost" ] || { printf 'error: options lost:\n%s\n' "$lost"; exit 1; }
		kmake prepare >"$obj/log" 2>&1 || { cat "$obj/log"; exit 1; }
		touch "$obj/prepared"
	fi
	# Debian's sparse does not know what the kernel's test of it looks for, nor, in
	# MODULE_INFO() and nla_policy tables, that __builtin_strlen() is constant, nor the
	# names of extensions of RISC-V.
	if [ "$kind" = s ]; then
		value=m
		cat >"$obj/sparse" <<-'END'
			#!/bin/bash
			for arg; do
				case $arg in -march=rv*_*) arg=${arg%%_*} ;; esac
				args+=("$arg")
			done
			exec sparse -D__typeof_unqual__=__typeof__ "${args[@]}"
		END
		chmod +x "$obj/sparse"
		flags+=(C=2 "CHECK=$obj/sparse"
			"CF=-Wno-return-void -Wno-unknown-attribute")
	fi
	/mnt/source/scripts/config --file "$obj/.config" --set-val BLK_DEV_UBLK "$value"
	kmake olddefconfig
	grep -qx "CONFIG_BLK_DEV_UBLK=$value" "$obj/.config"
	rm -rf "$obj/drivers/block"
	kmake prepare drivers/block/ublk/
	[ -s "$obj/drivers/block/ublk/ublk_drv.o" ] || [ -s "$obj/drivers/block/ublk/built-in.a" ]
}

# What a compilation says about the driver. Everything is fatal when it fails. What
# sparse says of a header of the kernel begins with the file that includes it.
complaints() {
	grep -E '(warning|error|note): |options lost' "$1" |
		grep -E 'ublk|options lost|error' | grep -v ': note: in included file' |
		grep -vE '/(ublk_drv|perm)\.c:.*: error: bad constant expression'
}

result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
		failed=1
	fi
	echo "# $2: $(($(date +%s) - started)) s"
}

# One line of the table.
machine() {
	local name=$1 arch=$2 compiler=$3 kinds=$4 kind status what
	shift 4

	intree_objects "$root" "$name" "$compiler" "$@"
	for kind in $(fold -w 1 <<<"$kinds"); do
		started=$(date +%s)
		intree_run "$root" "$objects" "$tree" \
			"$(declare -f compile lost_options)
			compile $name $arch $compiler $kind $jobs" >"$tmp/log" 2>&1
		status=$?
		case $kind in
		m) what="module" ;;
		y) what="built in" ;;
		s) what="sparse" ;;
		esac
		complaints "$tmp/log" >"$tmp/said" && status=1
		[ "$status" -eq 0 ] || { [ -s "$tmp/said" ] || tail -n 30 "$tmp/log"
			cat "$tmp/said"; } | head -n 60 | sed 's/^/# /'
		result "$status" "$name, $what"
	done
}

# Runs in the chroot: what the newest commit of /mnt/tree has brought to the driver.
# Without the option, which comes last, make is told that it is set.
# shellcheck disable=SC2317,SC2329
compile_patch() {
	set -eu
	local obj=/mnt/out/obj goals

	goals=$(sed -n 's,^\(drivers/block/ublk/[a-z_]*\)\.c$,\1.o,p' <<<"$1")
	if grep -q '^drivers/block/ublk/Kconfig$' <<<"$1"; then
		goals=drivers/block/ublk/
	fi
	[ -n "$goals" ] || exit 0
	make -s -C /mnt/source "O=$obj" ARCH=x86_64 W=1 -j"$2" olddefconfig prepare
	# shellcheck disable=SC2086 # a list
	make -s -C /mnt/source "O=$obj" ARCH=x86_64 W=1 -j"$2" \
		CONFIG_BLK_DEV_UBLK=m CONFIG_BLKDEV_UBLK_LEGACY_OPCODES=y $goals
}

# checkpatch of the newest commit, but for the tests and the program, which the static
# gates look at. Files that come with a patch need no word about MAINTAINERS, whose
# patch comes last; the rest are exceptions of scripts/check.sh.
check_patch() {
	local script=$source/scripts/checkpatch.pl ignore

	ignore=FILE_PATH_CHANGES,BIT_MACRO,MACRO_ARG_REUSE
	ignore+=,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,LINE_SPACING
	(cd "$tree" && git show --format=email HEAD -- . ":(exclude)tools" >"$tmp/patch" &&
		cd "$tmp" && "$script" --no-tree "--root=$source" --strict --terse --show-types \
			--ignore "$ignore" "$tmp/patch") >"$tmp/checkpatch" 2>&1 ||
		{ grep -vE '^total: ' "$tmp/checkpatch" | head -n 40; return 1; }
}

patches() {
	local commits commit files status

	intree_objects "$root" patches -
	mapfile -t commits < <(git -C "$tree" rev-list --reverse "$(cat "$tmp/base")..HEAD")
	echo "1..${#commits[@]}"
	for commit in "${commits[@]}"; do
		started=$(date +%s)
		status=0
		git -C "$tree" checkout -q "$commit"
		files=$(git -C "$tree" diff --name-only --diff-filter=d HEAD~)
		check_patch >"$tmp/said" || status=1
		if [ ! -e "$objects/obj/prepared" ]; then
			intree_run "$root" "$objects" "$tree" "$(declare -f prepare lost_options)
				prepare $jobs" >"$tmp/log" 2>&1 || status=1
		fi
		intree_run "$root" "$objects" "$tree" "$(declare -f compile_patch)
			compile_patch '$files' $jobs" >"$tmp/log" 2>&1 || {
			status=1
			tail -n 30 "$tmp/log" >>"$tmp/said"
		}
		complaints "$tmp/log" >>"$tmp/said" && status=1
		[ "$status" -eq 0 ] || sed 's/^/# /' "$tmp/said"
		result "$status" "$(git -C "$tree" log -1 --format=%s)"
	done
}

# Runs in the chroot: a configuration without the driver.
# shellcheck disable=SC2317,SC2329
prepare() {
	set -eu
	local obj=/mnt/out/obj

	mkdir -p "$obj"
	kmake() {
		make -s -C /mnt/source "O=$obj" ARCH=x86_64 W=1 -j"$1" "$2"
	}
	kmake "$1" tinyconfig
	grep -v UBLK /mnt/out/fragment >>"$obj/.config"
	kmake "$1" olddefconfig
	kmake "$1" prepare
	touch "$obj/prepared"
}

jobs=$(nproc)
mode=machines
while [ $# -gt 0 ]; do
	case $1 in
	--jobs) jobs=$2; shift ;;
	--patches) mode=patches ;;
	--list) machines | awk '{ print $1 }'; exit ;;
	-*) vm_die "unknown option $1" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- x86_64
[ "$1" != all ] || mapfile -t names < <(machines | awk '{ print $1 }')
[ "$1" = all ] || names=("$@")

for name in "${names[@]}"; do
	machines | grep -q "^$name " || vm_die "no machine $name; there are: $(machines |
		awk '{ printf "%s ", $1 }')"
done
[ "$mode" = machines ] || set -- --patches
vm_become_root --jobs "$jobs" "$@"
number=0
failed=0
args=()
[ "${names[*]}" = x86_64 ] || args=(--cross)
root=$("$VM_DIR/compile-root.sh" "${args[@]}")/root || exit 1
source=$("$VM_DIR/kernel-source.sh") || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-intree.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "KTAP version 1"
tree=$tmp/tree
if ! intree_export "$tree" >"$tmp/log" 2>&1; then
	sed 's/^/# /' "$tmp/log"
	echo "not ok 1 export"
	exit 1
fi
if [ "$mode" = patches ]; then
	patches
else
	for name in "${names[@]}"; do
		read -r -a words < <(machines | grep "^$name ")
		machine "${words[@]}"
	done
	echo "1..$number"
fi
exit "$failed"
