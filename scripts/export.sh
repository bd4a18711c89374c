#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: export.sh [--maintainer "NAME <ADDRESS>"] TREE
#
# make export: put driver, UAPI header, documentation and kselftests into the kernel
# source TREE and commit them there as a series of patches, on the branch that is
# checked out. Each patch has one topic and compiles. The kernel's own ublk driver,
# its tests, documents and entries are removed by the first one, without looking at
# them.
#
# TREE is a git repository without uncommitted changes, or an unpacked source, which
# becomes a repository first (some minutes). Author, Signed-off-by and the entry in
# MAINTAINERS are those of git's configuration; --maintainer names another one for
# the entry.
#
# In the kernel there is one kernel: nothing of compat/ is exported, and
# export/hooks.pl puts what the names of ublk_hooks.h stand for in their place.
#
# Exit status: 0 the series is there, 1 it is not, with the reason, 2 wrong usage.

set -eu
export LC_ALL=C
top=$(cd -- "$(dirname -- "$0")/.." && pwd)
parts=$top/scripts/export
driver=drivers/block/ublk
tests=tools/testing/selftests/ublk
base=
tmp=

usage() {
	sed -n '/^# usage/,/^# Exit/s/^# \{0,1\}//p' "$0"
	exit "$1"
}

die() {
	printf 'export: %s\n' "$*" >&2
	exit 1
}

# shellcheck disable=SC2317,SC2329
cleanup() {
	local status=$?

	trap - EXIT
	rm -rf "$tmp"
	[ "$status" -eq 0 ] || [ -z "$base" ] ||
		printf 'export: not complete; go back with: git -C %s reset --hard %s\n' \
			"$tree" "$base" >&2
	exit "$status"
}

in_tree() {
	git -C "$tree" "$@"
}

# edit NAME [ARGUMENT]: one of the kernel's own files.
edit() {
	local name=$1
	shift
	"$parts/edit.pl" "$name" "$tree" "$@"
}

# Sources below these directories of this checkout, no products.
sources() {
	(cd "$top" && find "$@" -type f ! -name '.*' ! -name '*.mod.c' \( -name '*.[ch]' \
		-o -name '*.sh' -o -name '*.py' -o -name '*.rst' -o -name '*.mk' \
		-o -name '*.map' -o -name '*.in' -o -name '*.rules' -o -name '*.json' \
		-o -name Makefile -o -name Kconfig -o -name README -o -name settings \
		-o -name config \) | sort)
}

# copy FILE...: to the same place in the tree.
copy() {
	local file

	for file; do
		install -D -m "$(stat -c %a "$top/$file")" "$top/$file" "$tree/$file"
	done
}

# commit NAME PATH...: what changed there, with the message NAME.msg; nothing
# if nothing did.
commit() {
	local name=$1
	shift

	in_tree add -A -- "$@"
	in_tree diff --cached --quiet || {
		in_tree commit -q -s -F "$parts/$name.msg"
		in_tree log -1 --format='%h %s'
	}
}

# --- the driver

# The driver as it is exported, in $tmp/block.
prepare_driver() {
	local file

	while read -r file; do
		install -D -m 644 "$top/$file" "$tmp/${file#drivers/}"
	done < <(sources drivers/block)
	"$parts/hooks.pl" "$tmp/block/ublk"
	grep -rnE 'compat/|UBLK_LACKS|LINUX_VERSION_CODE' "$tmp/block" &&
		die "this belongs to a build outside a kernel tree, see above"
	return 0
}

# driver_files TITLE: the .c files that the head comment of ublk_drv.c lists there.
driver_files() {
	awk -v title=" * $1" '
		/^ \*\// { exit }
		/^ \* [A-Z].*:$/ { on = index($0, title) == 1; next }
		on && $2 ~ /^[a-z_]+\.[ch]$/ { sub(/\.h$/, ".c", $2); print $2 }
	' "$tmp/block/ublk_drv.c" | sort -u | while read -r file; do
		[ ! -e "$tmp/block/ublk/$file" ] || printf '%s\n' "$file"
	done
}

# The driver's Makefile, without the objects whose sources are not in the tree yet.
write_makefile() {
	awk -v dir="$tree/$driver/" '
		/^ublk_drv-/ {
			line = $1 " " $2
			n = 0
			for (i = 3; i <= NF; i++) {
				source = dir $i
				sub(/o$/, "c", source)
				if ((getline text <source) < 0)
					continue
				close(source)
				line = line " " $i
				n++
			}
			if (!n)
				next
			$0 = line
		}
		{ print }' "$tmp/block/ublk/Makefile" >"$tree/$driver/Makefile"
}

# driver_patch NAME FILE...: files of the driver's directory.
driver_patch() {
	local name=$1 file
	shift

	for file; do
		install -D -m 644 "$tmp/block/ublk/$file" "$tree/$driver/$file"
	done
	write_makefile
	commit "$name" "$driver" drivers/block/Makefile
}

remove_old() {
	local edit

	in_tree rm -rqf --ignore-unmatch -- drivers/block/ublk_drv.c "$tests" \
		Documentation/block/ublk.rst
	for edit in kconfig object target document maintainers; do
		edit "remove-$edit"
	done
	commit remove drivers/block/Kconfig drivers/block/Makefile MAINTAINERS \
		tools/testing/selftests/Makefile Documentation/block/index.rst
}

export_driver() {
	local files

	copy include/uapi/linux/ublk_cmd.h
	commit uapi include/uapi/linux/ublk_cmd.h
	mkdir -p "$tree/$driver"
	cp -R "$tmp/block/ublk/logic" "$tree/$driver/"
	commit logic "$driver"
	edit add-object
	driver_patch objects ublk.h state.h deliver.h commit.h trace.h
	for topic in "control Control commands" "session The session of a server" \
		"request A request" "data Data" "observation Observation"; do
		mapfile -t files < <(driver_files "${topic#* }")
		[ ${#files[@]} -gt 0 ] ||
			die "drivers/block/ublk_drv.c lists no files under \"${topic#* }\""
		driver_patch "${topic%% *}" "${files[@]}"
	done
	install -m 644 "$tmp/block/ublk_drv.c" "$tree/drivers/block/"
	edit add-kconfig
	in_tree add drivers/block/ublk_drv.c drivers/block/Kconfig
	driver_patch build Kconfig
	if ! diff -r "$tmp/block/ublk" "$tree/$driver" ||
	   ! cmp "$tmp/block/ublk_drv.c" "$tree/drivers/block/ublk_drv.c"; then
		die "the series lacks a part of the driver, see above"
	fi
}

# --- the rest

export_documentation() {
	local files

	mapfile -t files < <(sources Documentation/block/ublk-abi Documentation/block/ublk.rst)
	copy "${files[@]}"
	edit add-document
	commit documentation Documentation/block
}

# Library and program lie beside the tests.
export_server() {
	local file

	while read -r file; do
		install -D -m "$(stat -c %a "$top/$file")" "$top/$file" "$tree/$tests/$file"
	done < <(sources ublksrv)
	commit server "$tests"
}

# The names of the programs that the Makefile makes.
write_ignore() {
	{
		echo "# SPDX-License-Identifier: GPL-2.0"
		echo "/kublk"
		echo "/ublksrv/ublk"
		(cd "$tree/$tests" && printf '/%s\n' *.c | sed 's/\.c$//')
	} >"$tree/$tests/.gitignore"
}

# test_patch NAME FILE...: of the directory of the tests.
test_patch() {
	local name=$1
	shift

	copy "${@/#/$tests/}"
	# The lines between these two marks are for this repository only.
	# shellcheck disable=SC2016 # for make
	sed -i -e '/^# --- outside a kernel tree/,/^# --- end/d' -e '/^KSFT ?=/d' \
		-e 's|$(KSFT)|..|' "$tree/$tests/Makefile"
	write_ignore
	commit "$name" "$tests" tools/testing/selftests/Makefile
}

export_tests() {
	local helpers

	mapfile -t helpers < <(sources "$tests" | sed "s|^$tests/||" |
		grep -vE '^(uapi|test|crash)_|^chaos\.c$|^lib/chaos')
	edit add-target
	test_patch helpers "${helpers[@]}"
	cd "$top/$tests"
	test_patch abi_tests uapi_*.c
	test_patch server_tests test_*.sh
	test_patch crash_tests crash_*.sh crash_*.c chaos.c lib/chaos*
	cd "$top"
	[ -z "$(comm -3 <(sources "$tests") \
		<(in_tree ls-files "$tests" | grep -v "^$tests/ublksrv/\|/\.gitignore$" | sort))" ] ||
		die "the series lacks a part of the tests"
}

export_maintainers() {
	sed "s|@MAINTAINER@|$maintainer|" "$parts/MAINTAINERS" >"$tmp/MAINTAINERS"
	edit add-maintainers "$tmp/MAINTAINERS"
	commit maintainers MAINTAINERS
}

# --- the tree

check_tree() {
	local file

	for file in drivers/block/Kconfig drivers/block/Makefile MAINTAINERS; do
		[ -e "$tree/$file" ] || die "$tree is not a kernel source: it has no $file"
	done
	[ ! -e "$tree/$driver" ] ||
		die "$tree has $driver already: go back to the commit before the series first"
	in_tree var GIT_COMMITTER_IDENT >"$tmp/ident" 2>/dev/null ||
		die "git knows no name for the commits: git config --global user.name and user.email"
	[ -n "$maintainer" ] || maintainer=$(sed 's/> .*/>/' "$tmp/ident")
	# Its own, not one that it lies in by chance.
	if [ "$(in_tree rev-parse --show-toplevel 2>/dev/null)" != "$tree" ]; then
		echo "export: making a git repository of $tree" >&2
		in_tree init -q
		in_tree add -A
		in_tree commit -q -m "Linux source without ublk's series"
	fi
	[ -z "$(in_tree status --porcelain -uno)" ] ||
		die "$tree has uncommitted changes: commit or stash them first"
}

maintainer=
while [ $# -gt 0 ]; do
	case $1 in
	--maintainer) maintainer=${2:-}; shift ;;
	-h | --help) usage 0 ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
[ -n "${1:-}" ] || die "where is the kernel source? make export TREE=DIR"
[ $# -eq 1 ] || usage 2 >&2
command -v git >/dev/null || die "no git: install it first"
[ -d "$1" ] || die "$1: no such directory"
tree=$(cd -P -- "$1" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-export.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

check_tree
prepare_driver
base=$(in_tree rev-parse HEAD)
remove_old
export_driver
export_documentation
export_server
export_tests
export_maintainers
in_tree diff --stat "$base" | tail -n 1
echo "as patches: git -C $tree format-patch ${base:0:12}"
