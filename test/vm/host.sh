#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Install what the host needs to make, compile in and boot the guest. Called by
# every other entry; does nothing when all is there. Knows Debian and its
# descendants only; on others it names the missing commands.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

# command or file -> package
NEEDS="
	mmdebstrap:mmdebstrap
	cpio:cpio
	rsync:rsync
	xz:xz-utils
	mke2fs:e2fsprogs
	gcc:gcc
	make:make
	flock:util-linux
	perl:perl
	$VM_KEYRING:debian-archive-keyring
	/usr/include/linux/types.h:linux-libc-dev
	/usr/include/stdio.h:libc6-dev
"

missing=
packages=
for need in $NEEDS; do
	case $need in
	/*) [ ! -e "${need%:*}" ] || continue ;;
	*) PATH="$PATH:/usr/sbin:/sbin" command -v "${need%:*}" >/dev/null && continue ;;
	esac
	missing="$missing ${need%:*}"
	packages="$packages ${need#*:}"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null ||
	vm_die "missing:$missing. There is no apt-get here; install them by hand and run again"
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
	vm_die "missing:$missing. Run this as root, or: apt-get install$packages"
fi

vm_log "installing host packages:$packages"
install() {
	# shellcheck disable=SC2086
	vm_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		--no-install-recommends $packages >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install; then
	vm_as_root apt-get update -qq -o DPkg::Lock::Timeout=600 \
		-o Acquire::Retries=3 >"$log" 2>&1 || true
	if ! install; then
		tail -20 "$log" >&2
		vm_die "cannot install$packages: see above; install them by hand and run again"
	fi
fi
