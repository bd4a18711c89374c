#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: series-kernel.sh SERIES
#
# Print a directory with the distribution's newest kernel of a series, in the form that
# run.sh, build.sh and check.sh take as --kernel: what kernel-headers.sh makes, and
#   vmlinuz   the kernel
#   modules/  its modules (usr/lib/modules/RELEASE), with the index of depmod
#   boot/     modules of the initramfs, uncompressed, in loading order
# Made on first use. It boots the root of the newest series: the protocol's programs need
# no other, and this is made in much less time than a root with that kernel (KERNEL=).
# Only modules that these programs load are there, not the kernel's own ublk_drv. Exit
# status 4, with the reason, if the archive has no kernel of the series.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

[ $# -eq 1 ] || vm_die "usage: $VM_PROG SERIES"
vm_become_root "$@"
umask 022

# What the programs load, beside the driver.
MODULES="loop null_blk nvme-loop xfs 9p 9pnet_virtio"

download() {
	local packages

	packages="linux-image-$kernel"
	if vm_apt apt-cache show "linux-modules-$kernel" >/dev/null 2>&1; then
		packages="linux-binary-$kernel linux-modules-$kernel"
	fi
	vm_log "unpacking the kernel $kernel"
	mkdir "$tmp/debs" "$tmp/all"
	# shellcheck disable=SC2086 # a list
	(cd "$tmp/debs" && vm_apt apt-get -qq download $packages) >&2 ||
		vm_die "cannot download $packages"
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp/all" --wildcards \
			--transform='s,^\./lib/,./usr/lib/,' \
			--exclude='*/drivers/gpu' --exclude='*/drivers/net' \
			--exclude='*/drivers/media' --exclude='*/sound' \
			'*/vmlinuz*' '*/lib/modules/*' 2>/dev/null || true
	done
	find "$tmp/all" -name 'vmlinuz*' -type f -exec mv {} "$tmp/vmlinuz" \;
	[ -s "$tmp/vmlinuz" ] || vm_die "no kernel image in $packages"
}

# Runs in the guest's root, where all of it is /mnt/out: choose RELEASE BOOT MODULES.
# Without their type information and signature modules load in half the time.
# shellcheck disable=SC2317,SC2329
choose() {
	set -eu
	local all=/mnt/out/all dir=usr/lib/modules/$1 n=100 name file

	depmod -b "$all" "$1"
	mkdir -p "/mnt/out/modules/$dir" /mnt/out/boot
	for name in $2 $3; do
		# Some are built in.
		while read -r file; do
			[ ! -e "/mnt/out/modules/$file" ] || continue
			(cd "$all" && cp --parents "$file" /mnt/out/modules/)
			case " $2 " in *" $name "*) ;; *) continue ;; esac
			n=$((n + 1))
			cp "$all/$file" "/mnt/out/boot/$n-${file##*/}"
		done < <(modprobe -d "$all" -S "$1" --show-depends "$name" 2>/dev/null |
			sed -n 's,^insmod .*/\(lib/modules/[^ ]*\).*,usr/\1,p')
	done
	xz -d /mnt/out/boot/*.xz
	strip --strip-debug -R .BTF -R .BTF.base /mnt/out/boot/*.ko
	cp "$all/$dir"/modules.builtin* "$all/$dir/modules.order" "/mnt/out/modules/$dir/"
}

make_kernel() {
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	download
	ln -s usr/lib "$tmp/all/lib"	# where kmod looks
	"$VM_DIR/chroot.sh" --no-sync --copy kernel --bind "$tmp:/mnt/out" -- /bin/bash -c \
		"$(declare -f choose)
		choose '$kernel' '$(xargs <<<"$UBLK_BOOT_MODULES")' '$MODULES'" ||
		vm_die "cannot unpack the kernel $kernel"
	cp -a "$headers/." "$tmp/"
	rm -rf "$tmp/all" "$tmp/debs"
	chmod 755 "$tmp"
	rm -rf "$dir"
	mv "$tmp" "$dir"
}

headers=$("$VM_DIR/kernel-headers.sh" "$1") || {
	status=$?
	echo "$headers"
	exit "$status"
}
kernel=$(cat "$headers/release")
dir=$VM_CACHE/kernel-$kernel-$(sha256sum <"$0" | cut -c1-8)
vm_lock 9 "kernel-$1"
[ -e "$dir/vmlinuz" ] || make_kernel
vm_used kernel "$dir"
printf '%s\n' "$dir"
