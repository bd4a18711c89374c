#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print a directory with what the packages are tested in, made on first use:
#   disk.img         a clean Debian of the guest's release, with systemd, apt and its
#                    stock kernel and headers, as an ext4 image
#   vmlinuz, initrd  that kernel, and its initramfs as Debian made it
#   repo/            what apt in there may install: the packages that ours need, the
#                    newest supported kernel with its headers, needrestart
#   release          of the stock kernel
#   release-new      of the newest one
# Its unit step.service runs /share/step, which is on the host, at each boot.

set -eu
# shellcheck source=test/packages/lib.sh
. "$(dirname -- "$0")/lib.sh"

vm_become_root "$@"
umask 022

INSTALLED="systemd-sysv udev dbus kmod procps e2fsprogs psmisc
	linux-image-amd64 linux-headers-amd64 initramfs-tools zstd"
NEEDED="dkms liburing2 libjansson4 liburing-dev needrestart libnbd0 nbdkit librbd1"

unit() {
	cat <<-'EOF'
		[Unit]
		Description=Step of the test on the host
		After=systemd-udev-settle.service systemd-user-sessions.service

		[Service]
		Type=simple
		ExecStartPre=/bin/sh -c 'mkdir -p /share && modprobe 9pnet_virtio && mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /share'
		ExecStart=/bin/bash /share/step
		Environment=HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

		[Install]
		WantedBy=multi-user.target
	EOF
}

# Without what mmdebstrap wrote for its own use.
clean_up() {
	local root=$1

	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin \
		"$root"/etc/apt/sources.list* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
		"$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
	mkdir -p "$root/etc/apt/sources.list.d"
	echo "deb [trusted=yes] file:/share/repo ./" >"$root/etc/apt/sources.list"
	echo clean >"$root/etc/hostname"
	printf '127.0.0.1 localhost clean\n' >"$root/etc/hosts"
	: >"$root/etc/fstab"
	: >"$root/etc/resolv.conf"
	unit >"$root/etc/systemd/system/step.service"
	# What would run beside the test in its own time.
	chroot "$root" systemctl -q enable step.service
	chroot "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer \
		dpkg-db-backup.timer e2scrub_all.timer man-db.timer fstrim.timer
}

make_image() {
	local root=$tmp/root list new mb

	new=$(vm_kernel_of "${UBLK_SERIES%% *}")
	[ -n "$new" ] || vm_die "the archive has no kernel ${UBLK_SERIES%% *}"
	list=$(vm_sources_list)
	vm_log "making a clean Debian $UBLK_SUITE with its stock kernel"
	# shellcheck disable=SC2016 # mmdebstrap's own $1
	vm_mmdebstrap --variant=important --include="$(tr -s ' \n\t' ',,,' <<<"$INSTALLED")" \
		--customize-hook='mkdir -p "$1/repo/partial"' \
		--customize-hook='chroot "$1" apt-get -q -y --download-only --no-install-recommends -o Dir::Cache::Archives=/repo -o APT::Sandbox::User=root install '"$NEEDED linux-base/$UBLK_SUITE-backports linux-image-$new linux-headers-$new" \
		"$UBLK_SUITE" "$root" - <<<"$list" >"$tmp/log" 2>&1 || {
		tail -30 "$tmp/log" >&2
		vm_die "cannot make the clean Debian (see above)"
	}
	mkdir "$tmp/repo"
	mv "$root"/repo/*.deb "$tmp/repo/"
	rm -rf "$root/repo"
	clean_up "$root"
	packages_index "$tmp/repo"
	echo "$new" >"$tmp/release-new"
	basename "$(echo "$root"/lib/modules/*)" >"$tmp/release"
	cp "$root"/boot/vmlinuz-* "$tmp/vmlinuz"
	cp "$root"/boot/initrd.img-* "$tmp/initrd"
	mb=$(($(du -sm "$root" | cut -f1) + 4000))
	truncate -s "${mb}M" "$tmp/disk.img"
	PATH="$PATH:/usr/sbin:/sbin" mke2fs -q -t ext4 -F -L clean \
		-E root_owner=0:0 -d "$root" "$tmp/disk.img" >&2
	rm -rf "$root" "$tmp/log"
}

vm_lock 9 packages-image
dir=$VM_CACHE/packages-image-$(packages_key "" "$PACKAGES_DIR/image.sh")
if [ ! -e "$dir/release" ]; then
	"$VM_DIR/host.sh"
	"$PACKAGES_DIR/root.sh" >/dev/null
	vm_apt_update
	tmp=$(mktemp -d "$VM_CACHE/tmp.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	make_image
	chmod 755 "$tmp"
	mv "$tmp" "$dir"
	trap - EXIT
fi
vm_used packages-image "$dir"
printf '%s\n' "$dir"
