# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2016,SC2154
#
# Checks of check-docs.sh, which sources this file, about the tree: README.md,
# CONTRIBUTING.md and the documents on use and building name paths, targets,
# variables and commands that exist.

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
