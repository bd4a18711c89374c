#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: build.sh [--no-module] [--no-tests] [--kernel DIR]
#
# Compile module, program and tests of this checkout in the guest's root, in a
# copy of the checkout; a second run compiles what changed. The guest's view of
# the result is the directory "stage" beside the copy: module with the index
# that modprobe needs, and the program in the path. --kernel DIR takes another
# kernel than the distribution's: DIR/build is its build directory, DIR/modules
# what its modules_install made (/usr/lib/modules/RELEASE below it).
#
# run.sh calls this with the lock of the work directory held, and says so in
# VM_LOCKED.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

module=1
tests=1
kernel=
while [ $# -gt 0 ]; do
	case $1 in
	--no-module) module= ;;
	--no-tests) tests= ;;
	--kernel) kernel=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

vm_become_root ${module:---no-module} ${tests:---no-tests} ${kernel:+--kernel "$kernel"}

# Runs in the chroot, in the copy of the checkout.
compile() {
	set -eu
	jobs=$(nproc)
	stage=/mnt/stage

	run() {
		echo "build: make $*" >&2
		make -j"$jobs" "$@" >/tmp/log 2>&1 || {
			cat /tmp/log >&2
			echo "build: make $* failed" >&2
			exit 1
		}
		! grep -E 'warning:|Warning:' /tmp/log >&2 || true
	}

	if [ -n "$1" ] && [ -e drivers/block/ublk/Makefile ]; then
		run modules KDIR="$KDIR"
		# shellcheck disable=SC2153 # set by the caller at the end
		index "$stage/usr/lib/modules/$RELEASE"
	fi
	[ ! -e ublksrv/Makefile ] || run user
	if [ -n "$2" ] && [ -e tools/testing/selftests/ublk/Makefile ]; then
		run -C tools/testing/selftests/ublk KSELFTEST_DIR="$KSELFTEST_DIR"
	fi
	mkdir -p "$stage/usr/bin"
	ln -sfn /ublk/ublksrv/ublk "$stage/usr/bin/ublk"
}

# Put the module into the stage with the index files that modprobe reads.
# depmod looks at the root's modules, so ours is mounted among them; of another
# kernel the root has none, so all of them go.
index() {
	ko=drivers/block/ublk/ublk_drv.ko
	modules=/usr/lib/modules/$RELEASE

	if [ -e "$1/updates/ublk_drv.ko" ] && [ -e "$1/modules.dep.bin" ] &&
	   [ ! "$ko" -nt "$1/updates/ublk_drv.ko" ]; then
		return
	fi
	rm -rf "$1" /tmp/depmod
	mkdir -p "$1/updates" /tmp/depmod
	if [ -e /mnt/kernel ]; then
		cp -a "/mnt/kernel/modules$modules/." "$1/"
		strip --strip-debug -o "$1/updates/ublk_drv.ko" "$ko"
		ln -s "$stage/usr" "$stage/usr/lib" /tmp/depmod/
		depmod -b /tmp/depmod "$RELEASE"
		return
	fi
	mount -t tmpfs tmpfs "$modules/updates"
	strip --strip-debug -o "$modules/updates/ublk_drv.ko" "$ko"
	depmod -o /tmp/depmod "$RELEASE"
	find /tmp/depmod -type f -name 'modules.*' -exec cp {} "$1/" \;
	cp "$modules/updates/ublk_drv.ko" "$1/updates/"
	umount "$modules/updates"
}

rootdir=$(vm_root)
release=$(cat "${kernel:-$rootdir}/release")
[ -n "${VM_LOCKED:-}" ] || vm_lock 7 "$(basename "$(vm_work_dir "$release")")"
# Program and tests are the same for each kernel that the root boots with: for another
# kernel than its own, begin with what was compiled for that.
seed() {
	local own work part

	own=$(vm_work_dir "$(cat "$rootdir/release")")
	work=$(vm_work_dir "$release")
	[ ! -e "$work/src" ] && [ -e "$own/src" ] || return 0
	vm_lock 6 "$(basename "$own")"
	mkdir -p "$work/src"
	for part in ublksrv tools; do
		cp -a "$own/src/$part" "$work/src/"
	done
	exec 6>&-
}

[ -z "$kernel" ] || seed
script=$(declare -f compile index)
VM_LOCKED=1 "$VM_DIR/chroot.sh" ${kernel:+--kernel "$kernel"} -- /bin/bash -c "
RELEASE=$release
$script
compile '$module' '$tests'"
