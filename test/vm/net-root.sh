#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print the directory of the root of "make check-net" and "make bench-net", made on first
# use: the guest's root (root.sh) with Ceph, the kernel's network modules, and programs
# that cut networks and connect to servers. No other test needs them, and they are 90
# packages. Callers get it from vm_root (lib.sh) with UBLK_ROOT=net in the environment.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=test/vm/root-image.sh
. "$VM_DIR/root-image.sh"

vm_become_root "$@"
umask 022

PACKAGES=(ceph-mon ceph-osd ceph-common librbd-dev rbd-nbd nbd-client nftables iproute2)
MODULE_DIRS=(net drivers/net)

add_packages() {
	local root=$1

	vm_sources_list >"$root/etc/apt/sources.list"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	apt-config dump --no-empty --format '%f "%v";%n' Acquire::http::Proxy \
		Acquire::https::Proxy >"$root/etc/apt/apt.conf.d/99proxy" || true
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec '
		apt-get -q update
		apt-get -q -y --no-install-recommends -o APT::Sandbox::User=root \
			-o Dpkg::Options::=--force-unsafe-io install "$@"' sh "${PACKAGES[@]}"
	umount -R "$root/dev"
	umount "$root/proc"
	rm -rf "$root/usr/sbin/policy-rc.d" "$root/etc/apt/apt.conf.d/99proxy" \
		"$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	: >"$root/etc/resolv.conf"
}

add_modules() {
	local root=$1 release=$2 package dir patterns=()

	package=linux-modules-$release
	vm_apt apt-cache show "$package" >/dev/null 2>&1 || package=linux-image-$release
	for dir in "${MODULE_DIRS[@]}"; do
		patterns+=("*/lib/modules/$release/kernel/$dir/*")
	done
	mkdir "$tmp/debs" "$tmp/kernel"
	(cd "$tmp/debs" && vm_apt apt-get -qq download "$package")
	dpkg-deb --fsys-tarfile "$tmp"/debs/*.deb |
		tar -x -C "$tmp/kernel" --wildcards "${patterns[@]}"
	for dir in "$tmp/kernel/usr/lib/modules/$release" "$tmp/kernel/lib/modules/$release"; do
		[ ! -d "$dir" ] || cp -a "$dir/." "$root/usr/lib/modules/$release/"
	done
	chroot "$root" depmod "$release"
	rm -rf "$tmp/debs" "$tmp/kernel"
}

# In a mount namespace of its own, so that no mount is left by a run that is killed.
make_root() {
	set -eu
	mount --make-rprivate /
	cp -a "$base/root" "$base/boot" "$base/vmlinuz" "$base/release" "$tmp/"
	add_packages "$tmp/root"
	add_modules "$tmp/root" "$(cat "$base/release")"
	make_image "$tmp/root" 3000
}

base=$("$VM_DIR/root.sh")
vm_lock 9 net-root
key=$({ echo "$base"; cat "$VM_DIR/net-root.sh"; } | sha256sum | cut -c1-12)
dir=$VM_CACHE/net-root-$key
if [ ! -e "$dir/release" ]; then
	vm_apt_update
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	vm_log "making the root with Ceph and network modules"
	export base tmp VM_DIR
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount -- /bin/bash -c '. "$VM_DIR/lib.sh"
		'"$(declare -f add_packages add_modules make_image make_root)
		$(declare -p PACKAGES MODULE_DIRS)"'
		make_root' >"$tmp/log" 2>&1 || {
		tail -n 30 "$tmp/log" >&2
		vm_die "cannot make that root (see above)"
	}
	rm -f "$tmp/log"
	chmod 755 "$tmp"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	trap - EXIT
fi
vm_used net-root "$dir"
printf '%s\n' "$dir"
