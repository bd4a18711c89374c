#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check.sh [GATE...]
#
# The static gates: everything about the source that can be judged without
# running it. KTAP on stdout, one test per gate; exit status 1 if one fails.
#
# Runs anywhere; a gate without its tool is skipped with the reason. All tools
# are in the guest's root, so this is the complete run:
#
#	test/vm/chroot.sh -- scripts/check.sh
#
# LINUX_TOOLS  directory with the kernel's scripts/checkpatch.pl and kernel-doc
# KDIR         build directory of the kernel for the W=1 and sparse builds
# CHECKED_CLEAN  directory where shellcheck and checkpatch remember the files that they
#		found clean; not set: they judge all of them

set -u
cd "$(dirname -- "$0")/.." || exit 1
top=$PWD
: "${LINUX_TOOLS:=/usr/src/linux-tools}"
: "${KDIR:=/lib/modules/$(uname -r)/build}"

ALL_GATES="logic_pure uapi_header text spdx shellcheck kernel_doc
	checkpatch_driver checkpatch_user checkpatch_tests
	warnings logic_kernel sparse"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-static.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# files DIR... -- FIND-EXPRESSION...: our own files, no products.
files() {
	local dirs=()

	while [ "$1" != -- ]; do
		[ ! -e "$1" ] || dirs+=("$1")
		shift
	done
	shift
	[ ${#dirs[@]} -gt 0 ] || return 0
	find "${dirs[@]}" -type f ! -name '*.mod.c' ! -name '.*' "$@" | sort
}

# A gate prints what is wrong and returns 1, or prints why it cannot judge and
# returns 4, as kselftests do.
skip() {
	echo "$*"
	return 4
}

# No output is a good sign, provided that the command itself went well.
silent() {
	local status

	"$@" >"$tmp/silent" 2>&1
	status=$?
	cat "$tmp/silent"
	[ "$status" -eq 0 ] && [ ! -s "$tmp/silent" ]
}

# unjudged TOOL FILE...: print those of the files that were not found clean before. TOOL
# is all that the verdict depends on besides the file: the tool and its arguments.
unjudged() {
	local dir sum file
	dir=$(clean_dir "$1")
	shift

	if [ -z "$dir" ]; then
		printf '%s\n' "$@"
		return
	fi
	sha256sum -- "$@" | while read -r sum file; do
		if [ -e "$dir/$sum-${file//\//-}" ]; then
			touch "$dir/$sum-${file//\//-}"
		else
			printf '%s\n' "$file"
		fi
	done
}

# judged_clean TOOL FILE...: remember it. What nobody asks about for two weeks goes.
judged_clean() {
	local dir sum file
	dir=$(clean_dir "$1")
	shift

	[ -n "$dir" ] && [ $# -gt 0 ] || return 0
	mkdir -p "$dir"
	sha256sum -- "$@" | while read -r sum file; do
		: >"$dir/$sum-${file//\//-}"
	done
	find "$CHECKED_CLEAN" -type f -mtime +14 -delete
}

clean_dir() {
	[ -z "${CHECKED_CLEAN:-}" ] ||
		printf '%s/%s\n' "$CHECKED_CLEAN" "$(sha256sum <<<"$1" | cut -c1-16)"
}

# --- the gates

# Only what can be compiled everywhere may be included by logic/ headers.
gate_logic_pure() {
	local dir=drivers/block/ublk/logic allowed found=0 file name

	allowed='<linux/(types|errno|ublk_cmd)\.h>'
	for file in "$dir"/*.h; do
		while read -r name; do
			case $name in
			\"*\")
				name=${name//\"/}
				[ -e "$dir/$name" ] && continue
				;;
			*)
				[[ $name =~ ^$allowed$ ]] && continue
				;;
			esac
			echo "$file: includes $name"
			found=1
		done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//p' "$file")
		grep -nHE '\b(printk|pr_[a-z]+|k[mz]alloc|mutex|spin_lock|EXPORT_SYMBOL|IS_ENABLED|CONFIG_)' \
			"$file" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|/\*)' && found=1
	done
	return "$found"
}

# Usable from old C alone, with nothing included before it.
gate_uapi_header() {
	command -v gcc >/dev/null || { skip "no gcc"; return; }
	echo '#include <linux/ublk_cmd.h>' >"$tmp/uapi.c"
	silent gcc -std=gnu90 -Wall -Wextra -Werror -Iinclude/uapi \
		-fsyntax-only "$tmp/uapi.c"
}

# Notes to oneself, paths of one machine, spaces at the end.
gate_text() {
	local list=$tmp/list found=0 marks

	files . -- ! -path './.git/*' ! -path './out/*' ! -path './build/*' \
		! -path './LICENSES/*' ! -path './test/fuzz/corpus/*' \
		! -name '*.o' ! -name '*.a' ! -name '*.so*' ! -name '*.ko' \
		>"$list"
	# written so that this line is no match itself
	marks='\b(TO''DO|FIX''ME|XX''X|HA''CK)\b'
	tr '\n' '\0' <"$list" | xargs -0 grep -nIE "$marks" && found=1
	tr '\n' '\0' <"$list" | xargs -0 grep -nIE '(^|[^[:alnum:]_.])/wor''k/' && found=1
	tr '\n' '\0' <"$list" | grep -zvE '\.(md|rst|patterns)$' |
		xargs -0 grep -nIE '[[:space:]]+$' && found=1
	return "$found"
}

gate_spdx() {
	local file found=0

	while read -r file; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ' && continue
		echo "$file: no SPDX line in the first three"
		found=1
	done < <(files drivers include compat ublksrv tools test bench scripts \
		Kbuild Makefile -- \( -name '*.[chS]' -o -name '*.sh' -o \
		-name 'Makefile*' -o -name 'Kbuild*' -o -name 'Kconfig' \) )
	for file in GPL-2.0 LGPL-2.1 MIT; do
		[ -s "LICENSES/preferred/$file" ] && continue
		echo "LICENSES/preferred/$file is missing"
		found=1
	done
	return "$found"
}

# A script is judged with what it sources, so it depends on all that some script sources.
gate_shellcheck() {
	local scripts sourced tool command=(shellcheck -x -e SC2187)

	command -v shellcheck >/dev/null || { skip "no shellcheck"; return; }
	# shellcheck disable=SC2016
	mapfile -t scripts < <(files . -- ! -path './.git/*' ! -path './out/*' -exec \
		sh -c 'head -c 64 "$1" | grep -qE "^#!.*[/ ](ba|da)?sh$|shell=bash"' \
		sh {} \; -print)
	mapfile -t sourced < <(sed -n 's/^[[:space:]]*# shellcheck source=//p' "${scripts[@]}" |
		sed 's,.*/,,' | sort -u)
	tool="${command[*]} $(shellcheck --version) $(printf '%s\n' "${scripts[@]}" |
		grep -E "/($(IFS='|'; echo "${sourced[*]}"))\$" | xargs -d '\n' sha256sum)"
	mapfile -t scripts < <(unjudged "$tool" "${scripts[@]}")
	[ ${#scripts[@]} -gt 0 ] || return 0
	silent "${command[@]}" "${scripts[@]}" && judged_clean "$tool" "${scripts[@]}"
}

gate_kernel_doc() {
	local doc=$LINUX_TOOLS/scripts/kernel-doc list=$tmp/docs

	[ -e "$doc" ] || { skip "no kernel-doc in $LINUX_TOOLS"; return; }
	command -v python3 >/dev/null || { skip "no python3"; return; }
	files drivers ublksrv/include -- -name '*.[ch]' >"$list"
	silent xargs -a "$list" -d '\n' "$doc" -none -Wall
}

# checkpatch IGNORED-TYPES FILE...
checkpatch() {
	local script=$LINUX_TOOLS/scripts/checkpatch.pl ignore=$1 tool list

	shift
	[ -e "$script" ] || { skip "no checkpatch.pl in $LINUX_TOOLS"; return; }
	command -v perl >/dev/null || { skip "no perl"; return; }
	[ $# -gt 0 ] || { skip "no files"; return; }
	tool="$(cd "$LINUX_TOOLS/scripts" && sha256sum checkpatch.pl spelling.txt const_structs.checkpatch) $ignore"
	mapfile -t list < <(unjudged "$tool" "$@")
	[ ${#list[@]} -gt 0 ] || return 0
	# From another directory: in a git tree it leaves a cache file behind.
	(cd "$tmp" && "$script" --no-tree "--root=$LINUX_TOOLS" --strict \
		--show-types --terse --ignore "$ignore" -f \
		"${list[@]/#/$top/}") 2>&1 | sed "s|^$top/||" >"$tmp/checkpatch"
	grep -vE '^total: |^$' "$tmp/checkpatch"
	[ "$(grep -cE '^total: 0 errors, 0 warnings, 0 checks' "$tmp/checkpatch")" -eq \
		"$(grep -c '^total: ' "$tmp/checkpatch")" ] ||
		return 1
	! grep -qvE '^total: |^$' "$tmp/checkpatch" && judged_clean "$tool" "${list[@]}"
}

gate_checkpatch_driver() {
	local list compat trace

	mapfile -t list < <(files drivers -- -name '*.[ch]' ! -name trace.h)
	# Part of a type cannot stand in parentheses.
	mapfile -t compat < <(files compat -- -name '*.[ch]')
	# A trace header is a table that checkpatch takes for code.
	trace=OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,LINE_SPACING
	checkpatch MACRO_ARG_REUSE "${list[@]}" &&
		checkpatch COMPLEX_MACRO "${compat[@]}" &&
		checkpatch "$trace" drivers/block/ublk/trace.h &&
		checkpatch BIT_MACRO include/uapi/linux/ublk_cmd.h
}

# What the kernel has instead (BIT(), u32, __printf(), ARRAY_SIZE()) does not
# exist in userspace; messages stay in one piece, however long.
user_ignore=BIT_MACRO,PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO
user_ignore+=,MACRO_ARG_REUSE,ARRAY_SIZE,CAMELCASE,VOLATILE,LONG_LINE_STRING
user_ignore+=,STRLCPY,STRCPY,STRNCPY,CONSIDER_KSTRTO,SSCANF_TO_KSTRTO,ENOSYS

gate_checkpatch_user() {
	local list

	mapfile -t list < <(files ublksrv -- -name '*.[ch]')
	checkpatch "$user_ignore" "${list[@]}"
}

# The harness of kselftests lives on macros that leave the function, and that are
# loops in disguise: braces around one of them are not idle.
gate_checkpatch_tests() {
	local list

	mapfile -t list < <(files tools test bench -- -name '*.[ch]')
	checkpatch "$user_ignore,BRACES,MACRO_WITH_FLOW_CONTROL,COMPLEX_MACRO,EMBEDDED_FUNCTION_NAME" \
		"${list[@]}"
}

# With all warnings of the kernel's build, in a copy: nothing of another build
# is used, nothing is left behind. $tmp/module is the copy, $tmp/build the log. ccache,
# where it is, is told that the name of the copy does not matter.
build_module() {
	local copy=$tmp/module

	[ -e "$KDIR/Makefile" ] || { skip "no kernel build directory $KDIR"; return; }
	[ ! -e "$copy" ] || return 0
	mkdir "$copy"
	files Kbuild drivers include compat -- \( -name '*.[ch]' -o -name 'Kbuild*' \
		-o -name 'Makefile' -o -name 'Kconfig' \) >"$tmp/sources"
	tar -cf - -T "$tmp/sources" | tar -xf - -C "$copy"
	CCACHE_BASEDIR=$tmp CCACHE_NOHASHDIR=1 \
		make -C "$KDIR" "M=$copy" W=1 modules >"$tmp/build" 2>&1
	echo $? >"$tmp/build.status"
}

gate_warnings() {
	build_module || return
	sed "s|$tmp/module/||" "$tmp/build" | grep -E '(warning|error): ' |
		grep -E '^(drivers/block|include/uapi/linux/ublk|compat)|modpost' \
		>"$tmp/said"
	cat "$tmp/said"
	[ "$(cat "$tmp/build.status")" -eq 0 ] || { tail -n 20 "$tmp/build"; return 1; }
	[ ! -s "$tmp/said" ]
}

# All of logic/ compiles in the kernel, also what no file includes yet.
gate_logic_kernel() {
	local dir=drivers/block/ublk

	build_module || return
	(cd "$dir" && printf '#include "%s"\n' logic/*.h) \
		>"$tmp/module/$dir/logic_all.c"
	make -C "$KDIR" "M=$tmp/module" W=1 "$dir/logic_all.o" \
		>"$tmp/logic" 2>&1 && ! grep -qE '(warning|error): ' "$tmp/logic" &&
		return
	cat "$tmp/logic"
	return 1
}

# Like C=2, which needs a newer sparse than Debian has and a script that is not
# in its kernel headers: the compiler's command lines, with the Makefile's flags.
gate_sparse() {
	local cmd line arch found=0 checked=0 flags unknown

	command -v sparse >/dev/null || { skip "no sparse"; return; }
	build_module || return
	arch=$(uname -m)
	case $arch in
	x86_64) arch=x86 ;;
	aarch64) arch=arm64 ;;
	esac
	# MODULE_INFO() asserts with __builtin_strlen(), which 0.6.4 cannot do.
	unknown='/(ublk_drv|perm)\.c:.*: error: bad constant expression'
	flags="-D__linux__ -Dlinux -D__STDC__ -Dunix -D__unix__ -Wbitwise
		-Wno-return-void -Wno-unknown-attribute -m64 --arch=$arch
		-D__typeof_unqual__=__typeof__"
	while read -r cmd; do
		line=$(sed -n 's/^savedcmd_[^ ]* := *//p' "$cmd" | sed 's/ ; .*//')
		# shellcheck disable=SC2086
		(cd "$tmp/module" && eval sparse $flags "${line#* }") 2>&1 |
			grep -E '(error|warning): ' |
			grep -vE "$unknown" && found=1
		checked=$((checked + 1))
	done < <(find "$tmp/module/drivers" -name '.*.o.cmd' ! -name '.ublk_drv.mod.o.cmd' \
		-exec grep -lE '^source_.*\.c$' {} +)
	[ "$checked" -gt 0 ] || { echo "nothing was compiled"; return 1; }
	return "$found"
}

# --- run them

# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $ALL_GATES
echo "KTAP version 1"
echo "1..$#"
number=0
failed=0
for gate; do
	number=$((number + 1))
	"gate_$gate" >"$tmp/output" 2>&1
	case $? in
	0)
		echo "ok $number $gate"
		;;
	4)
		echo "ok $number $gate # SKIP $(tail -n 1 "$tmp/output")"
		;;
	*)
		head -n 200 "$tmp/output" | sed 's/^/# /'
		echo "not ok $number $gate"
		failed=$((failed + 1))
		;;
	esac
done
[ "$failed" -eq 0 ]
