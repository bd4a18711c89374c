#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: root.sh [--refresh]
#
# Make the guest's root once and print the directory that holds it:
#   root/      Debian with compiler, tools, kernel headers and modules
#   root.img   the same as an ext4 image
#   vmlinuz    kernel; "release" holds its version
#   boot/      modules of the initramfs, uncompressed, in loading order
# KERNEL=SERIES chooses a kernel series, else the newest supported one that the
# archive has. A root that was made before is used without asking the network;
# --refresh makes it anew (for a newer kernel release of the same series).

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=test/vm/root-image.sh
. "$VM_DIR/root-image.sh"

VM_REFRESH=
while [ $# -gt 0 ]; do
	case $1 in
	--refresh) VM_REFRESH=1 ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

vm_become_root ${VM_REFRESH:+--refresh}
umask 022

root_dir() {
	local key

	key=$({ echo "$1"; cat "$VM_DIR/config.sh" "$VM_DIR/root.sh" "$VM_DIR/root-image.sh"; } |
		sha256sum | cut -c1-12)
	printf '%s/root-%s-%s\n' "$VM_CACHE" "$1" "$key"
}

root_exists() {
	[ -z "$VM_REFRESH" ] && [ -e "$(root_dir "$1")/release" ]
}

# Set series and, unless its root exists, release.
choose_kernel() {
	local want=${KERNEL:-$UBLK_SERIES} s

	for s in $want; do
		case " $UBLK_SERIES " in
		*" $s "*) ;;
		*) vm_die "KERNEL=$s is not supported; choose one of: $UBLK_SERIES" ;;
		esac
		series=$s
		! root_exists "$s" || return 0
		[ -n "${updated:-}" ] || "$VM_DIR/host.sh"
		[ -n "${updated:-}" ] || vm_apt_update
		updated=1
		release=$(vm_kernel_of "$s")
		[ -z "$release" ] || return 0
		vm_log "the archive has no kernel $s"
	done
	vm_die "the archive has none of the kernel series: $want"
}

unpack_kernel() {
	local root=$1 packages dir patterns=

	if vm_apt apt-cache show "linux-modules-$release" >/dev/null 2>&1; then
		packages="linux-binary-$release linux-modules-$release"
	else
		packages="linux-image-$release"
	fi
	for dir in $UBLK_MODULE_DIRS; do
		patterns="$patterns */lib/modules/$release/kernel/$dir/*"
	done
	mkdir "$tmp/debs"
	# shellcheck disable=SC2086
	(cd "$tmp/debs" && vm_apt apt-get -qq download $packages) >&2 ||
		vm_die "cannot download $packages"
	mkdir "$tmp/kernel"
	for deb in "$tmp"/debs/*.deb; do
		# shellcheck disable=SC2086
		(set -f; dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$tmp/kernel" --wildcards \
				$patterns '*/vmlinuz*' '*/modules.*' 2>/dev/null || true)
	done
	mkdir -p "$root/usr/lib/modules/$release"
	for dir in "$tmp/kernel/usr/lib/modules/$release" "$tmp/kernel/lib/modules/$release"; do
		[ ! -d "$dir" ] || cp -a "$dir/." "$root/usr/lib/modules/$release/"
	done
	find "$tmp/kernel" "$root/usr/lib/modules/$release" -name 'vmlinuz*' -type f \
		-exec mv {} "$tmp/vmlinuz" \;
	[ -s "$tmp/vmlinuz" ] || vm_die "no kernel image in $packages"
	mkdir -p "$root/usr/lib/modules/$release/updates"
	chroot "$root" depmod "$release"
	[ -n "$(find "$root/usr/lib/modules/$release/kernel/drivers/block" -name 'ublk_drv.ko*')" ] ||
		vm_die "no ublk_drv among the modules of $packages"
	rm -rf "$tmp/debs" "$tmp/kernel"
}

# Uncompress the initramfs' modules and number them in loading order. Without
# their type information and signature they load in half the time.
boot_modules() {
	local root=$1 name file n=100 seen=" " strip

	mkdir "$tmp/boot"
	for name in $UBLK_BOOT_MODULES; do
		while read -r word file _; do
			[ "$word" = insmod ] || continue
			case $seen in *" $file "*) continue ;; esac
			seen="$seen$file "
			n=$((n + 1))
			case $file in
			*.xz) xz -dc "$root$file" ;;
			*.zst) chroot "$root" zstd -dc "$file" ;;
			*) cat "$root$file" ;;
			esac >"$tmp/boot/$n-$(basename "${file%.ko*}").ko"
		done < <(chroot "$root" modprobe -S "$release" --show-depends "$name" 2>/dev/null)
	done
	mount --bind "$tmp/boot" "$root/mnt"
	strip=0
	chroot "$root" sh -c 'strip --strip-debug -R .BTF -R .BTF.base /mnt/*.ko' || strip=$?
	umount "$root/mnt"
	[ "$strip" -eq 0 ] || vm_die "cannot strip the modules of the initramfs"
}

make_root() {
	local root list packages

	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	root=$tmp/root
	packages=$(tr -s ' \n\t' ',,,' <<<"$UBLK_PACKAGES")
	packages=${packages#,}
	list=$(vm_sources_list)

	vm_log "making the guest root: Debian $UBLK_SUITE with kernel $release"
	vm_mmdebstrap --variant=apt --include="${packages}linux-headers-$release" \
		"$UBLK_SUITE" "$root" - <<<"$list" >"$tmp/log" 2>&1 || {
		tail -30 "$tmp/log" >&2
		vm_die "cannot make the guest root (see above)"
	}
	unpack_kernel "$root"
	boot_modules "$root"

	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	: >"$root/etc/resolv.conf"
	echo ublk-guest >"$root/etc/hostname"
	printf '127.0.0.1 localhost ublk-guest\n' >"$root/etc/hosts"
	: >"$root/etc/fstab"
	mkdir -p "$root/ublk" "$root/share" "$root/usr/src/linux-tools"

	vm_log "making its disk image"
	make_image "$root" 1500
	echo "$release" >"$tmp/release"
	rm -f "$tmp/log"
	chmod 755 "$tmp"
	rm -rf "$dir"
	mv "$tmp" "$dir"
	trap - EXIT
}

# A root that is there is found without the lock, which somebody who makes another
# kernel's root holds for minutes.
series=${KERNEL:-${UBLK_SERIES%% *}}
release=
if ! root_exists "$series"; then
	vm_lock 9 root
	choose_kernel
fi
dir=$(root_dir "$series")
if [ -n "$release" ]; then
	make_root
	# What runs that were killed have left.
	find "$VM_CACHE" -maxdepth 1 -name 'tmp.*' -mtime +0 -exec rm -rf {} +
	vm_log "guest root ready after $(($(date +%s) - VM_T0)) s: $dir"
fi
vm_used root "$dir"
printf '%s\n' "$dir"
