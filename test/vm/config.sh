# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the guest is made of. Sourced by lib.sh; nothing in here runs commands.
#
# This file and root.sh together are the key of the cached root: change either
# and the next run makes a new root, so keep what is not about the contents of
# the root (boot options, deadlines) out of it.

# Kernel series that the driver supports, newest first. The first one that the
# archive has is used unless KERNEL= names another.
UBLK_SERIES="7.3 7.2 6.12"

# Debian release of the guest; its backports carry the kernels above.
UBLK_SUITE=trixie

# Packages of the guest: what compiles the module, the program and the tests,
# and what the tests call.
UBLK_PACKAGES="
	gcc ccache make libc6-dev pkg-config liburing-dev libjansson-dev sparse valgrind
	rsync kmod udev procps psmisc strace util-linux util-linux-extra
	fio e2fsprogs xfsprogs f2fs-tools btrfs-progs zonefs-tools fdisk gdisk parted
	libnbd-dev nbdkit qemu-utils gnutls-bin libcap2-bin busybox-static cpio xz-utils
	zstd perl python3 python3-docutils linux-perf shellcheck
"

# Kernel modules that go into the root, as directories below kernel/. The rest
# (graphics, sound, network cards) would only cost space and depmod time.
UBLK_MODULE_DIRS="
	arch block crypto fs kernel lib mm security net/9p net/core
	drivers/acpi drivers/block drivers/cdrom drivers/char drivers/dax
	drivers/md drivers/nvdimm drivers/nvme drivers/scsi drivers/target
	drivers/tty drivers/virtio
"

# Modules that the initramfs loads, dependencies are added. Names that a
# kernel has built in, or does not have at all, are passed over.
UBLK_BOOT_MODULES="
	virtio_pci virtio_blk virtio_console
	crc32c-cryptoapi crc32c_generic crc32c_intel libcrc32c ext4
"
