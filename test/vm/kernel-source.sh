#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-source.sh [--tools] [--refresh]
#
# Print the directory with the source of the guest's kernel series, unpacked on
# first use. --tools prints another directory, which has only what static gates
# and tests need: checkpatch, kernel-doc, the kselftest harness. It never depends
# on whether the whole source is there, nor on KERNEL=: the tests are written for
# the harness of the newest series.
#
# The kernel's own ublk driver, its tests and its documentation are never
# unpacked: this project is written without them.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

tools=
VM_REFRESH=
while [ $# -gt 0 ]; do
	case $1 in
	--tools) tools=1 ;;
	--refresh) VM_REFRESH=1 ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

# What --tools unpacks. checkpatch looks for names in include/linux.
TOOLS="
	scripts/checkpatch.pl scripts/spdxcheck.py scripts/spelling.txt
	scripts/const_structs.checkpatch scripts/kernel-doc scripts/kernel-doc.py
	scripts/lib scripts/subarch.include scripts/Makefile.arch
	scripts/Makefile.include scripts/check-*.pl scripts/coccicheck
	include/linux tools/lib/python tools/docs
	tools/testing/selftests/lib.mk tools/testing/selftests/Makefile
	tools/testing/selftests/kselftest tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/testing/selftests/kselftest_module.h
	tools/testing/selftests/run_kselftest.sh
	tools/testing/selftests/kselftest_install.sh
	tools/scripts tools/build LICENSES Documentation/dev-tools/checkpatch.rst
	MAINTAINERS COPYING CREDITS README
"
[ -z "$tools" ] || tools=-tools-$(printf %s "$TOOLS" | sha256sum | cut -c1-8)

vm_lock 8 source

[ -n "$tools" ] || UBLK_SERIES=${KERNEL:-$UBLK_SERIES}
for series in $UBLK_SERIES; do
	link=$VM_CACHE/source-$series$tools
	if [ -z "$VM_REFRESH" ] && [ -e "$link/README" ]; then
		(cd -P "$link" && pwd)
		exit
	fi
	[ -n "${updated:-}" ] || "$VM_DIR/host.sh"
	[ -n "${updated:-}" ] || vm_apt_update
	updated=1
	package=linux-source-$series
	version=$(vm_apt apt-cache show "$package" 2>/dev/null |
		sed -n 's/^Version: //p' | sort -rV | head -n1)
	[ -z "$version" ] || break
done
[ -n "$version" ] || vm_die "the archive has no kernel source of $UBLK_SERIES"

dir=$VM_CACHE/source-$version$tools
if [ ! -e "$dir/README" ]; then
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	vm_log "unpacking $package $version${tools:+ (tools only)}"
	mkdir "$tmp/tree"
	(cd "$tmp" && vm_apt apt-get -qq download "$package=$version") >&2 ||
		vm_die "cannot download $package"
	deb=$(echo "$tmp"/*.deb)
	members=
	if [ -n "$tools" ]; then
		set -f
		for path in $TOOLS; do
			members="$members linux-source-$series/$path"
		done
		set +f
	fi
	# Not every kernel has every tool: a member that is missing is no error,
	# a broken archive shows by the README that is missing.
	# shellcheck disable=SC2086
	(set -f; dpkg-deb --fsys-tarfile "$deb" |
		tar -xO --wildcards '*/linux-source-*.tar.xz' | xz -dc -T0 |
		tar -x -C "$tmp/tree" --strip-components=1 --wildcards \
			--exclude='*/drivers/block/ublk_drv.c' \
			--exclude='*/tools/testing/selftests/ublk' \
			--exclude='*/Documentation/block/ublk.rst' \
			$members 2>"$tmp/errors") || true
	[ -e "$tmp/tree/README" ] || {
		cat "$tmp/errors" >&2
		vm_die "cannot unpack $package"
	}
	rm -rf "$dir"
	chmod 755 "$tmp/tree"
	mv "$tmp/tree" "$dir"
fi
ln -sfn "$(basename "$dir")" "$VM_CACHE/source-$series$tools"
printf '%s\n' "$dir"
