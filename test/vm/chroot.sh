#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: chroot.sh [--no-sync] [--kernel DIR] [--copy NAME]
#                  [--bind HOSTDIR:DIR]... [--] [COMMAND ARG...]
#
# Run a command (default: a shell) in the guest's root, natively on the host:
# this is where the module, the program and the tests are compiled. The checkout
# is copied to the cache first and is /ublk there, so that nothing is written
# into the checkout; what COMMAND builds in /ublk stays for the next time. The
# root itself is read-only. /usr/src/linux-tools has the kernel's kselftest
# harness and checkpatch; KSELFTEST_DIR points to its tools/testing/selftests.
# The compiler is behind ccache, and the static gates remember what they found clean:
# what another checkout has compiled or judged is not done again. KDIR is the build
# directory of the guest's kernel; with --kernel DIR that of the
# kernel in DIR (see run.sh), which is /mnt/kernel and has a copy of the checkout
# of its own. Runs of one checkout wait for each other, unless --copy gives them
# different copies.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

vm_become_root "$@"
sync=1
kernel=
copy=
binds=()
while [ $# -gt 0 ]; do
	case $1 in
	--no-sync) sync= ;;
	--kernel) kernel=$2; binds+=("$2:/mnt/kernel"); shift ;;
	--copy) copy=-$2; shift ;;
	--bind) binds+=("$2"); shift ;;
	--) shift; break ;;
	-*) vm_die "unknown option $1" ;;
	*) break ;;
	esac
	shift
done

"$VM_DIR/host.sh"
rootdir=$(vm_root)
toolsdir=$("$VM_DIR/kernel-source.sh" --tools)
VM_RELEASE=$(cat "${kernel:-$rootdir}/release")
VM_KDIR=/usr/lib/modules/$VM_RELEASE/build
[ -z "$kernel" ] || VM_KDIR=/mnt/kernel/build
work=$(vm_work_dir "$VM_RELEASE")$copy
memory=$VM_CACHE/memory
mkdir -p "$work/src" "$work/stage" "$memory/ccache" "$memory/clean"
# Held until the command ends; but a shell must not keep others out for hours.
if [ -z "${VM_LOCKED:-}" ]; then
	vm_lock 7 "$(basename "$work")"
	[ $# -gt 0 ] || exec 7>&-
fi
[ -z "$sync" ] || vm_sync "$work/src"

export VM_CHROOT=$rootdir/root
enter() {
	set -eu
	local root=$VM_CHROOT bind

	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -o remount,bind,ro "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs tmpfs "$root/mnt"
	mount --bind "$VM_WORK/src" "$root/ublk"
	mkdir "$root/mnt/stage" "$root/mnt/memory"
	mount --bind "$VM_WORK/stage" "$root/mnt/stage"
	mount --bind "$VM_MEMORY" "$root/mnt/memory"
	mount --bind "$VM_TOOLS" "$root/usr/src/linux-tools"
	while [ "$1" != -- ]; do
		bind=$1
		mkdir -p "$root${bind#*:}"
		mount --bind "${bind%%:*}" "$root${bind#*:}"
		shift
	done
	shift
	# shellcheck disable=SC2016
	exec chroot "$root" /usr/bin/env -i HOME=/root "TERM=${TERM:-dumb}" \
		PATH=/usr/lib/ccache:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		CCACHE_DIR=/mnt/memory/ccache CCACHE_MAXSIZE=1G \
		CHECKED_CLEAN=/mnt/memory/clean CC=gcc LC_ALL=C.UTF-8 "KDIR=$VM_KDIR" \
		KSELFTEST_DIR=/usr/src/linux-tools/tools/testing/selftests \
		/bin/sh -c 'cd /ublk && exec "$@"' sh "$@"
}
export VM_KDIR VM_WORK=$work VM_TOOLS=$toolsdir VM_MEMORY=$memory
export -f enter
[ $# -gt 0 ] || set -- /bin/bash
exec unshare --mount -- /bin/bash -c 'enter "$@"' enter "${binds[@]}" -- "$@"
