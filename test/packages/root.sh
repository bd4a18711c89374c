#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print a directory with a Debian system of the guest's release in which packages are
# built: build-essential, what Build-Depends of debian/control names, lintian. Made
# on first use. Nothing else is in it, so what Build-Depends lacks is missed.

set -eu
# shellcheck source=test/packages/lib.sh
. "$(dirname -- "$0")/lib.sh"

vm_become_root "$@"
umask 022
vm_lock 9 packages-root

# One package a line, without versions.
needs=$(sed -n '/^Build-Depends:/,/^[A-Z].*:/s/^ \([a-z0-9.+-]*\).*/\1/p' \
	"$TOP_DIR/debian/control")
dir=$VM_CACHE/packages-root-$(packages_key "$needs")
if [ ! -e "$dir/etc" ]; then
	"$VM_DIR/host.sh"
	vm_log "making the system in which packages are built"
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	# debhelper-compat and the like are names that other packages provide.
	list=$(vm_sources_list)
	vm_mmdebstrap --variant=buildd --include="$(tr '\n' ',' <<<"$needs")lintian" \
		"$UBLK_SUITE" "$tmp/root" - <<<"$list" >"$tmp/log" 2>&1 || {
		tail -30 "$tmp/log" >&2
		vm_die "cannot make the system in which packages are built (see above)"
	}
	rm -rf "$tmp"/root/var/lib/apt/lists/* "$tmp"/root/var/cache/apt/*
	chmod 755 "$tmp/root"
	mv "$tmp/root" "$dir"
fi
vm_used packages-root "$dir"
printf '%s\n' "$dir"
