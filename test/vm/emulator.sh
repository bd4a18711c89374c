#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print the directory with the emulator, unpacked on first use: QEMU of the
# guest's Debian release with the libraries it needs, run in place (vm_qemu in
# lib.sh), whatever the host has. Reason: QEMU before 8.1 can translate code while
# another emulated processor patches it; the guest then dies of a stale
# breakpoint, "Oops: int3", about once in fifty boots with two processors.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

vm_become_root "$@"
umask 022
vm_lock 6 emulator
dir=$VM_CACHE/emulator-$UBLK_SUITE
if [ ! -e "$dir/usr/bin/qemu-system-x86_64" ]; then
	"$VM_DIR/host.sh"
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	vm_log "unpacking the emulator"
	list=$(vm_sources_list)
	vm_mmdebstrap --variant=extract --include=qemu-system-x86 \
		"$UBLK_SUITE" "$tmp/root" - <<<"$list" >"$tmp/log" 2>&1 || {
		tail -30 "$tmp/log" >&2
		vm_die "cannot unpack the emulator (see above)"
	}
	chmod 755 "$tmp/root"
	rm -rf "$dir" "$tmp/root"/usr/share/locale "$tmp/root"/var/lib/apt/lists
	mv "$tmp/root" "$dir"
fi
printf '%s\n' "$dir"
