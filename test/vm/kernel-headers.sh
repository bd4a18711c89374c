#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: kernel-headers.sh [--refresh] SERIES
#
# Print a directory with what modules for a kernel series are compiled against,
# in the form that chroot.sh --kernel takes: "build", and "release" with the
# version. Made on first use from the header packages of the newest release that
# the archive has, and used without asking the network from then on. Exit status
# 4, with the reason, if the archive has none.
#
# It is for compiling only: chroot.sh shows the directory as /mnt/kernel, and
# the makefiles in it name that path.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

VM_REFRESH=
while [ $# -gt 1 ]; do
	case $1 in
	--refresh) VM_REFRESH=1 ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done
[ $# -eq 1 ] || vm_die "usage: $VM_PROG [--refresh] SERIES"
series=$1

# Unpack the packages of a release and let their makefiles find each other.
unpack() {
	local release=$1 packages package deb headers=usr/src/linux-headers-$1

	packages=$(vm_apt apt-cache depends "linux-headers-$release" |
		sed -nE 's/^ *Depends: (linux-(headers-.*-common|kbuild-.*))$/\1/p')
	vm_log "unpacking the headers of $release"
	mkdir "$tmp/debs"
	for package in "linux-headers-$release" $packages; do
		(cd "$tmp/debs" && vm_apt apt-get -qq download "$package") >&2 ||
			vm_die "cannot download $package"
	done
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$tmp" ./usr/src ./usr/lib 2>"$tmp/errors" || true
	done
	[ -e "$tmp/$headers/Makefile" ] || {
		cat "$tmp/errors" >&2
		vm_die "linux-headers-$release has no $headers/Makefile"
	}
	sed -i 's|/usr/src/|/mnt/kernel/usr/src/|' "$tmp/$headers/Makefile"
	# Only for type information, which takes a tool that is not there.
	rm -rf "$tmp/debs" "$tmp/errors" "$tmp/$headers/vmlinux"
	ln -s "$headers" "$tmp/build"
	echo "$release" >"$tmp/release"
	chmod 755 "$tmp"
}

vm_lock 8 "headers-$series"
link=$VM_CACHE/headers-$series
if [ -n "$VM_REFRESH" ] || [ ! -e "$link/release" ]; then
	"$VM_DIR/host.sh"
	vm_apt_update
	release=$(vm_kernel_of "$series")
	[ -n "$release" ] || {
		echo "the archive has no kernel headers of $series"
		exit 4
	}
	dir=$VM_CACHE/headers-$release
	if [ ! -e "$dir/release" ]; then
		tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
		trap 'rm -rf "$tmp"' EXIT
		unpack "$release"
		rm -rf "$dir"
		mv "$tmp" "$dir"
	fi
	ln -sfn "$(basename "$dir")" "$link"
fi
(cd -P "$link" && pwd)
