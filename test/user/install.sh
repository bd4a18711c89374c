#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2329 # check() calls most functions
#
# "make install" and "make uninstall" of program and library: what lies where, and
# what a program that is built with the installed library gets. KTAP. Needs no
# root; installs below a temporary DESTDIR only.
#
# The programs find the ublk header of an old system first, install_old.h: its
# struct ublk_params is shorter than the library's.

set -u
cd "$(dirname -- "$0")/../.." || exit 1
path=$PATH
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-install.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
: "${CC:=cc}"
warn=(-Wall -Wextra -Werror)

# shellcheck source=test/checks.sh
. test/checks.sh

srv_make() {
	PATH=$path make -s -C ublksrv "$@" DESTDIR="$dest" "${vars[@]}" \
		>"$tmp/make" 2>&1 || {
		cat "$tmp/make"
		return 1
	}
}

# Files that were there before, one of them in a directory of ours.
installed() {
	dest=$tmp/dest
	rm -rf "$dest"
	mkdir -p "$dest$include/linux" "$dest$lib/pkgconfig"
	touch "$dest$include/linux/ublk_cmd.h" "$dest$lib/pkgconfig/other.pc"
	(cd "$dest" && find . | sort) >"$tmp/before"
	srv_make install
}

uninstalled() {
	srv_make uninstall || return 1
	(cd "$dest" && find . | sort) >"$tmp/after"
	diff "$tmp/before" "$tmp/after" || return 1
	[ ! -s "$dest$include/linux/ublk_cmd.h" ] || {
		echo "wrote to linux/ublk_cmd.h"
		return 1
	}
}

pc() {
	PKG_CONFIG_PATH=$dest$lib/pkgconfig pkg-config "$@" libublk
}

# is WHAT EXPECTED GOT
is() {
	[ "$2" = "$3" ] || {
		echo "$1 is \"$3\", not \"$2\""
		return 1
	}
}

# The .pc file names the directories, without DESTDIR.
variables() {
	is prefix "$prefix" "$(pc --variable=prefix)" &&
		is libdir "$lib" "$(pc --variable=libdir)" &&
		is includedir "$include" "$(pc --variable=includedir)"
}

# libublk.so -> SONAME -> the file with the version
links() {
	local version file=$dest$lib/libublk.so soname

	version=$(pc --modversion)
	soname=$(objdump -p "$file" | awk '$1 == "SONAME" { print $2 }')
	is version "$(sed -n 's/^.define UBLK_VERSION[[:space:]]*"\(.*\)"/\1/p' \
		"$dest$include/libublk.h")" "$version" &&
		is libublk.so "$soname" "$(readlink "$file")" &&
		is "$soname" "libublk.so.$version" "$(readlink "$dest$lib/$soname")" &&
		[ ! -L "$dest$lib/libublk.so.$version" ]
}

# Where pkg-config looks below DESTDIR, as in cross compiling.
flags() {
	PKG_CONFIG_SYSROOT_DIR=$dest pc "$@"
}

# pkg-config leaves out the directories of the system, where a compiler looks.
compile() {
	local flags=$1 macro=$2 system=()

	shift 2
	case $prefix in
	'' | /usr) system=(-I"$dest$include" -L"$dest$lib") ;;
	esac
	# shellcheck disable=SC2046,SC2086
	"${cc[@]}" "${warn[@]}" "$macro" -I"$tmp/old" "${system[@]}" -o "$tmp/prog" \
		test/user/install_prog.c "$@" $(flags $flags)
}

run() {
	LD_LIBRARY_PATH=$dest$lib "$tmp/prog"
}

shared() {
	compile "--cflags --libs" "-DOLD_$1" && run || return 1
	readelf -d "$tmp/prog" | grep -q 'NEEDED.*\[libublk\.so\.0\]' || {
		echo "the program does not use the shared library"
		return 1
	}
}

static() {
	compile "--cflags --libs --static" "-DOLD_FIRST" -static && run
}

# In another place than the one that it was installed for.
moved() {
	local place=$tmp/moved

	rm -rf "$place"
	cp -a "$dest$prefix" "$place"
	# shellcheck disable=SC2046
	"$CC" -o "$tmp/prog" test/user/install_prog.c \
		$(PKG_CONFIG_PATH=$place/lib/pkgconfig pkg-config \
			--define-variable=prefix="$place" --cflags --libs libublk) &&
		LD_LIBRARY_PATH=$place/lib "$tmp/prog"
}

# The header of the repository, included first, defines all names: each that
# libublk.h does not rename is defined twice.
complete() {
	"$CC" "${warn[@]}" -Iinclude/uapi -I"$dest$include" -DOLD_FIRST -fsyntax-only \
		test/user/install_prog.c
}

# Rules and units are where udev and systemd look, whatever the prefix is, and run the
# program that was installed.
rules_and_units() {
	local file program=$prefix/sbin/ublk lib=$dest/lib/systemd nr=0

	[ -x "$dest$program" ] || { echo "no $program"; return 1; }
	for file in "$dest"/lib/udev/rules.d/*.rules "$lib"/system/*.service; do
		is "names of the program in ${file##*/}" \
			0 "$(grep -oE '[^ "@=]*/sbin/ublk\b' "$file" | grep -cvxF "$program")" ||
			return 1
		nr=$((nr + $(grep -cF "$program " "$file")))
	done
	is "lines with the program" 9 "$nr" || return 1
	is "the generator" "$program" "$(readlink "$lib/system-generators/ublk-generator")" ||
		return 1
	for file in halt kexec poweroff reboot; do
		is "what $file wants" "$(cat "$lib/system/ublk-shutdown.service")" \
			"$(cat "$lib/system/$file.target.wants/ublk-shutdown.service")" || return 1
	done
}

# Every page, if there is a tool that makes them.
pages() {
	local page name

	for page in ublksrv/man/*.rst; do
		name=$(basename "$page" .rst)
		[ -s "$dest$prefix/share/man/man${name##*.}/$name" ] && continue
		command -v rst2man >/dev/null || return 0
		echo "no page $name"
		return 1
	done
}

# The targets in files of their own are where the program that was installed looks.
modules() {
	local name names=()

	! pkg-config --exists 'libnbd >= 1.16' || names+=(nbd nbdkit image)
	[ ! -e /usr/include/rbd/librbd.h ] || names+=(rbd)
	for name in "${names[@]}"; do
		is "summary of $name" "options of -t $name," \
			"$("$dest$prefix/sbin/ublk" help -t "$name" | grep -o "^options of -t $name,")" ||
			return 1
	done
}

# Completions and the schema are there, and the completion is one that bash reads.
extras() {
	local share=$dest$prefix/share name

	for name in bash-completion/completions/ublk zsh/site-functions/_ublk \
		fish/vendor_completions.d/ublk.fish ublk/ublk.schema.json; do
		[ -s "$share/$name" ] || { echo "no $share/$name"; return 1; }
	done
	bash -n "$share/bash-completion/completions/ublk"
}

# complete_to WORDS...: what bash offers for the last word, in one line.
complete_to() {
	(
		# shellcheck disable=SC1090
		. "$dest$prefix/share/bash-completion/completions/ublk"
		COMP_WORDS=(ublk "$@")
		COMP_CWORD=$#
		_ublk
		echo "${COMPREPLY[*]}"
	)
}

completes() {
	is "commands" "stop" "$(complete_to sto)" &&
		is "targets" "null" "$(complete_to add -t nu)" &&
		is "options" "--user-recovery --user-recovery-reissue --user-recovery-fail-io" \
			"$(complete_to add --user-r)" &&
		is "options of the target" "--chunk-size" \
			"$(complete_to add -t stripe --ch)" &&
		is "options of other targets" "" "$(complete_to add -t null --ch)" &&
		is "help" "resize" "$(complete_to help resi)"
}

# With nothing in the path but what README.md lists and every Debian has.
needs() {
	local tool status=0

	mkdir "$tmp/bin"
	for tool in sh make cc ar pkg-config install ln sed awk cat chmod rm rmdir; do
		ln -s "$(command -v "$tool")" "$tmp/bin/$tool"
	done
	path=$tmp/bin
	installed || status=1
	grep python3-docutils "$tmp/make" || status=1
	path=$PATH
	return "$status"
}

# layout NAME PREFIX LIBDIR INCLUDEDIR [VARIABLE=VALUE...]
layout() {
	local name=$1

	prefix=$2
	lib=$3
	include=$4
	shift 4
	vars=("PREFIX=$prefix" "$@")
	cc=("$CC")
	check "$name: install" installed
	check "$name: variables of the .pc file" variables
	check "$name: names of the library" links
	check "$name: udev rules and units" rules_and_units
	check "$name: manual pages" pages
	check "$name: targets in files of their own" modules
	check "$name: a program" shared NOT
	check "$name: with the system's header before" shared FIRST
	check "$name: with the system's header after" shared LAST
	check "$name: a static program" static
}

mkdir "$tmp/old" "$tmp/old/linux"
cp test/user/install_old.h "$tmp/old/linux/ublk_cmd.h"

echo "KTAP version 1"
layout usr /usr /usr/lib /usr/include
check "usr: completions and schema" extras
check "usr: bash completes" completes
check "usr: uninstall" uninstalled
layout multiarch /usr /usr/lib/x86_64-linux-gnu /usr/include/x86_64-linux-gnu \
	LIBDIR=/usr/lib/x86_64-linux-gnu INCLUDEDIR=/usr/include/x86_64-linux-gnu
check "multiarch: uninstall" uninstalled
layout none "" /lib /include
check "none: uninstall" uninstalled
layout opt /opt/x /opt/x/lib /opt/x/include
check "opt: every name of the ABI is the library's own" complete
check "opt: in another place" moved
if command -v c++ >/dev/null; then
	cc=(c++ -x c++)
	check "opt: a C++ program" shared FIRST
fi
check "opt: uninstall" uninstalled
check "needs what README.md lists" needs
check "needs: uninstall" uninstalled
checks_end
