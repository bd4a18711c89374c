# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154
#
# Checks of check-docs.sh, which sources this file, about the tree: README.md,
# CONTRIBUTING.md and the documents on use and building name paths, targets,
# variables and commands that exist; files have the names, the callers and the
# layers that documents and head comments say.

TREE=Documentation/block/ublk-tree.rst
BUILDING=Documentation/block/ublk-building.rst
DOCS=(README.md CONTRIBUTING.md Documentation/block/ublk-using.rst "$BUILDING" "$TREE")

# docs_code [FILE...]: what they show as code: indented blocks without remarks, and
# spans, also those that go on in the next line of a table.
docs_code() {
	local file

	[ $# -gt 0 ] || set -- "${DOCS[@]}"
	for file; do
		sed -n 's/^    \(.*\)/\1/p' "$file" | sed 's/[[:space:]]#.*//'
		case $file in
		*.md) grep -v '^    ' "$file" | grep -o '`[^`]*`' | tr -d '`' ;;
		*) tr -s ' \n' ' ' <"$file" | grep -o '``[^`]*``' | tr -d '`' ;;
		esac
	done
}

check_docs_paths() {
	local path rc=0

	sed -nE 's/^``([^`]+)`` .*/\1/p' "$TREE" | sort >"$tmp/map"
	[ "$(wc -l <"$tmp/map")" -ge 10 ] || {
		echo "the map of the tree is not found"
		return 1
	}
	while read -r path; do
		# NAME stands for any name. Products need not be there.
		case $path in
		*.ko | ublksrv/ublk) ;;
		*NAME*) compgen -G "${path//NAME/*}" >/dev/null ;;
		*) [ -e "$path" ] ;;
		esac || {
			echo "no such path: $path"
			rc=1
		}
	done < <({
		cat "$tmp/map"
		docs_code | grep -oE '(^|[ (])(drivers|include|compat|Documentation|ublksrv|test|tools|bench|scripts|\.ci)/[A-Za-z0-9_./-]*' |
			tr -d ' ('
		grep -ohE '\]\([^):]+\)' ./*.md | tr -d '])('
	} | sort -u)
	# Every directory that a newcomer meets has to be on the map.
	while read -r path; do
		grep -qE "^$path(/|$)" "$tmp/map" || {
			echo "not on the map: $path"
			rc=1
		}
	done < <(find . -mindepth 1 -maxdepth 1 -type d \
		! -name .git ! -name out ! -name build -printf '%f\n')
	return "$rc"
}

check_docs_targets() {
	local rc=0 target

	docs_code | grep -oE '(^|sudo |&& )make( [a-z][a-z_.-]*)+' |
		sed 's/.*make //' | tr ' ' '\n' | sort -u >"$tmp/named"
	docs_code "$BUILDING" | sed -nE 's/^make ([a-z][a-z_.-]*).*/\1/p' |
		sort -u >"$tmp/documented"
	sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' Makefile |
		sed -n 's/^\.PHONY://p' | tr '[:blank:]' '\n' | sed '/^$/d' |
		sort -u >"$tmp/phony"
	# What "make help" tells; no tool but make itself is needed for that.
	make -s help | sed -nE 's/^([a-z][a-z_.-]*) .*/\1/p' | sort -u >"$tmp/help"
	if [ ! -s "$tmp/documented" ] || [ ! -s "$tmp/help" ]; then
		echo "found no targets"
		return 1
	fi
	while read -r target; do
		echo "named in a document, but not in Makefile: $target"
		rc=1
	done < <(comm -23 "$tmp/named" "$tmp/phony")
	while read -r target; do
		echo "named by \"make help\", but not in $BUILDING: $target"
		rc=1
	done < <(comm -23 "$tmp/help" "$tmp/documented")
	return "$rc"
}

check_docs_variables() {
	local name rc=0

	while read -r name; do
		grep -rqwF -- "$name" Makefile ublksrv/Makefile test/vm && continue
		echo "nothing reads the variable $name"
		rc=1
	done < <(docs_code | grep -oE '\b[A-Z][A-Z_]+=' | tr -d '=' | sort -u)
	return "$rc"
}

# README.md has a row for each series for which the driver is compiled, and no others;
# DKMS compiles it from the oldest to the newest.
check_docs_series() {
	local dkms=debian/ublk-dkms.dkms

	sed -nE 's/^UBLK_SERIES="([^"]*)"$/\1/p' test/vm/config.sh | tr ' ' '\n' |
		sort >"$tmp/config"
	sed -nE 's/^\| ([0-9]+\.[0-9]+)\.[0-9x]* \| this \|.*/\1/p' README.md | sort >"$tmp/readme"
	both "kernel series" "$tmp/readme" "$tmp/config" README.md test/vm/config.sh || return
	{
		sort -V "$tmp/config" | sed -n '1s/^/MIN /p'
		sort -V "$tmp/config" | sed -n '$s/.*/MAX &.999/p'
	} | sort >"$tmp/range"
	sed -nE 's/^BUILD_EXCLUSIVE_KERNEL_(MIN|MAX)="(.*)"$/\1 \2/p' "$dkms" | sort >"$tmp/dkms"
	both "kernels for DKMS" "$tmp/dkms" "$tmp/range" "$dkms" test/vm/config.sh
}

# The table of what was tested is the one that is made of its text form.
check_docs_support() {
	command -v perl >/dev/null || { echo "no perl"; return 4; }
	scripts/support.pl --table >"$tmp/table" || return 1
	sed -n '/^| Kernel |/,/^[^|]*$/p' README.md | grep '^|' >"$tmp/readme"
	diff "$tmp/readme" "$tmp/table" | sed -n 's/^< /only in README.md: /p
		s/^> /only from Documentation\/block\/ublk-support.txt: /p' | grep . && return 1
	return 0
}

# "FILE NAME" for each subcommand. One tab: rows of option tables have two.
subcommands() {
	grep -H '\.name = "' ublksrv/cli/*.c |
		sed -nE 's/^([^:]+):\t\.name = "([a-z-]+)",/\1 \2/p'
}

check_docs_subcommands() {
	local name rc=0

	{
		subcommands | cut -d' ' -f2
		printf '%s\n' help version
	} | sort -u >"$tmp/have"
	while read -r name; do
		grep -qxF -- "$name" "$tmp/have" && continue
		echo "program has no subcommand $name"
		rc=1
	done < <(docs_code | sed -nE 's/^(sudo )?ublk ([a-z][a-z-]*).*/\2/p' | sort -u)
	return "$rc"
}

# A subcommand is in the file of its name, a target too; README lists the targets.
check_program_files() {
	local file name rc=0

	subcommands >"$tmp/subcommands"
	[ -s "$tmp/subcommands" ] || { echo "found no subcommands"; return 1; }
	while read -r file name; do
		[ "$file" = "ublksrv/cli/$name.c" ] && continue
		echo "subcommand $name is in $file"
		rc=1
	done <"$tmp/subcommands"
	while read -r name; do
		grep -qsE "^const struct ublk_target ${name}_target = " \
			"ublksrv/targets/$name.c" || {
			echo "target $name is not in ublksrv/targets/$name.c"
			rc=1
		}
		grep -q "^| \`$name\` |" README.md || {
			echo "target $name is not in the table of README.md"
			rc=1
		}
	done < <(sed -nE 's/^extern const struct ublk_target ([a-z]+)_target;/\1/p' \
		ublksrv/targets/targets.h)
	return "$rc"
}

# The driver's Makefile, the list in the head comment of ublk_drv.c, and the files.
check_driver_files() {
	local rc=0 main=drivers/block/ublk_drv.c

	sed -nE 's/^ublk_drv-[^ ]* *\+?:?= //p' "$DRIVER/Makefile" | tr ' ' '\n' |
		sed -nE 's/^([a-z_]+)\.o$/\1.c/p' | sort >"$tmp/objects"
	(cd "$DRIVER" && printf '%s\n' *.c) | grep -v '\.mod\.c$' | sort >"$tmp/sources"
	both "file of the driver" "$tmp/objects" "$tmp/sources" "$DRIVER/Makefile" \
		"$DRIVER" || rc=1
	# trace.c has nothing but the tracepoints of trace.h: one of them is enough.
	(cd "$DRIVER" && printf '%s\n' *.[ch] logic/) | grep -v '\.mod\.c$' |
		grep -vxF trace.h | sort >"$tmp/files"
	sed -nE '1,/^ \*\//s/^ \*   ([a-z_]+(\.[ch]|\/))[[:space:]].*/\1/p' \
		"$main" | sed 's/^trace\.h$/trace.c/' | sort -u >"$tmp/listed"
	both "file of the driver" "$tmp/listed" "$tmp/files" "$main" "$DRIVER" || rc=1
	return "$rc"
}

# named_callers FILE: the .c files that its head comment says it is called by, up
# to the end of the sentence or of the clauses that go on with "by".
named_callers() {
	awk 'NR > 1 && /\*\// { exit } /^ \*/ { sub(/^ \*/, ""); printf "%s ", $0 }' "$1" |
		sed 's/\.\([ch]\)\>/@\1/g' | tr '.' '\n' | grep -E '(^| )Called .*by ' |
		tr ';' '\n' | awk '/Called / { on = 1 }
			!/Called / && !/^ *(and )?by / { on = 0 }
			on' | grep -oE '\b[a-z_]+@c\b' | tr @ . | sort -u
}

# real_callers FILE: for a header, the files that use one of its functions.
real_callers() {
	case $1 in
	*.h)
		sed -nE 's/^static inline .*\b([a-z_0-9]+)\(.*/\1/p' "$1" >"$tmp/inlines"
		(cd "$DRIVER" && grep -lwF -f "$tmp/inlines" -- *.c)
		;;
	*)
		awk -v to="$(basename "$1" .c)" '$3 == to { print $2 ".c" }' "$tmp/arrows"
		;;
	esac | sort -u
}

# "Called by a.c, b.c" in the head of a file of the driver. A head that names no
# file of the driver there ("Called by blk-mq") says nothing about them.
check_callers() {
	local file rc=0 found=0

	scripts/call-graph.sh --arrows driver >"$tmp/arrows"
	for file in "$DRIVER"/*.c "$DRIVER"/*.h "$DRIVER"/logic/*.h; do
		named_callers "$file" >"$tmp/named"
		[ -s "$tmp/named" ] || continue
		found=$((found + 1))
		real_callers "$file" >"$tmp/callers"
		both "caller of ${file##*/}" "$tmp/named" "$tmp/callers" \
			"its head comment" "the code" || rc=1
	done
	[ "$found" -gt 0 ] || { echo "no head comment says \"Called by\""; rc=1; }
	return "$rc"
}

# "FILE FUNCTION()" in the block that follows a request: FILE defines FUNCTION.
check_journey() {
	local file name rc=0

	rst_section "The journey of an IO" |
		sed -nE 's/^ +([a-z_/]+\.[ch]) +([a-z_0-9]+)\(\).*/\1 \2/p' >"$tmp/journey"
	[ "$(wc -l <"$tmp/journey")" -ge 10 ] || {
		echo "the journey is not found in $RST"
		return 1
	}
	while read -r file name; do
		case $file in
		*/*) file=ublksrv/$file ;;
		*) file=$DRIVER/$file ;;
		esac
		grep -E "^([A-Za-z_].*[ *])?$name\(" "$file" 2>/dev/null |
			grep -qv ';$' && continue
		echo "$file does not define $name()"
		rc=1
	done <"$tmp/journey"
	return "$rc"
}

check_layers() {
	scripts/call-graph.sh --check
}

# Each picture is made from its source as it is now; the files it names exist.
check_pictures() {
	local name rc=0

	scripts/picture.sh --check Documentation/block/*.dot || rc=1
	while read -r name; do
		[ -e "$DRIVER/$name" ] || [ -e "ublksrv/lib/$name" ] || {
			echo "no such file: $name"
			rc=1
		}
	done < <(grep -ohE '\b[a-z_]+\.c\b' Documentation/block/*.dot | sort -u)
	return "$rc"
}

# README.md has the figures of ublk-performance.txt, and the picture is made from them.
check_performance() {
	scripts/performance.pl --check
}
