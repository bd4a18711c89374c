#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: compile-root.sh [--cross]
#
# Print a directory with a Debian root, "root", that has what compiles a kernel and is
# not in the guest's; --cross adds compilers for other machines, clang, and what
# compiles programs of 32 bits. Made once. The directory's name is a key of what is
# in it.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

# gcc is the guest's own, as modules are compiled there. The libraries are for the
# kselftests in a kernel tree.
PACKAGES=bc,bison,cpio,flex,gcc,git,kmod,libc6-dev,libelf-dev,libjansson-dev
PACKAGES+=,liburing-dev,make,perl,pkg-config,python3,rsync,xz-utils
CROSS=clang,lld,llvm,sparse,gcc-i686-linux-gnu,gcc-arm-linux-gnueabihf
CROSS+=,gcc-aarch64-linux-gnu,gcc-riscv64-linux-gnu,gcc-s390x-linux-gnu
CROSS+=,gcc-powerpc64-linux-gnu,libc6-dev-armhf-cross,libc6-dev-i386-cross
CROSS+=,liburing-dev:i386,libjansson-dev:i386

name=compile
cross=
if [ "${1:-}" = --cross ]; then
	name=cross
	PACKAGES+=,$CROSS
	cross=1
	VM_FOREIGN=i386
	shift
fi
[ $# -eq 0 ] || vm_die "usage: $VM_PROG [--cross]"
vm_become_root ${cross:+--cross}
umask 022

make_root() {
	local list

	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	vm_log "making the root with the compilers${cross:+ for other machines}"
	"$VM_DIR/host.sh"
	# Nothing of it comes from backports.
	list=$(vm_sources_list | head -n 1)
	vm_mmdebstrap --variant=apt --include="$PACKAGES" \
		"$UBLK_SUITE" "$tmp/root" - <<<"$list" >"$tmp/log" 2>&1 || {
		tail -n 30 "$tmp/log" >&2
		vm_die "cannot make the root that compiles (see above)"
	}
	rm -rf "$tmp/root"/var/cache/apt/* "$tmp/root"/var/lib/apt/lists/* "$tmp/log"
	mkdir -p "$tmp/root/mnt/source" "$tmp/root/mnt/out" "$tmp/root/mnt/tree"
	chmod 755 "$tmp"
	rm -rf "$dir"
	mv "$tmp" "$dir"
}

dir=$VM_CACHE/$name-$(printf %s "$UBLK_SUITE $PACKAGES" | sha256sum | cut -c1-8)
vm_lock 8 "$name-root"
[ -e "$dir/root/mnt/tree" ] || make_root
vm_used "$name" "$dir"
printf '%s\n' "$dir"
