#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check-packages: what an administrator does with the packages, in a clean Debian
# with its stock kernel, which keeps its disk from one boot to the next: install, use,
# reboot, update the kernel, upgrade and remove under IO, install on the newest kernel,
# and on one that accepts only signatures that it knows. guest.sh has the steps; the
# transcript is the output, a KTAP document. Takes long, because the guest is emulated
# and compiles the driver several times; the time is printed.
#
# With NATIVE=1 the modules are compiled on the host, in the guest's root, and DKMS is
# told to take them (/etc/dkms/ublk.conf): everything but the compiler is the same, and
# the run is several times shorter.
#
# Environment: NATIVE=, SMP=2, MEM=4G, UBLK_MIRROR=URL.

set -eu
# shellcheck source=test/packages/lib.sh
. "$(dirname -- "$0")/lib.sh"

vm_become_root "$@"
BOOT_SECONDS=6000	# for one boot with all of its steps: two compilations at most

run=$(mktemp -d "${TMPDIR:-/tmp}/ublk-packages.XXXXXX")
qemu_pid=
# shellcheck disable=SC2317,SC2329
cleanup() {
	trap - EXIT INT TERM HUP
	[ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null || true
	wait || true
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$VM_DIR/host.sh"
vm_qemu "$("$VM_DIR/emulator.sh")"
image=$("$PACKAGES_DIR/image.sh")
new=$(cat "$image/release-new")
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$TOP_DIR/debian/changelog")
mkdir -p "$run/share/repo" "$run/share/deb" "$run/share/newer"
vm_log "building the packages, and those of a later version"
"$PACKAGES_DIR/build.sh" --output "$run/first" >/dev/null
cp "$run"/first/*.deb "$run/share/deb/"
"$PACKAGES_DIR/build.sh" --output "$run/later" --version "$version+later1" >/dev/null
cp "$run"/later/*.deb "$run/share/newer/"
packages_index "$run/share/newer"
ln "$image"/repo/* "$run/share/repo/" 2>/dev/null ||
	cp "$image"/repo/* "$run/share/repo/"
cp "$PACKAGES_DIR/guest.sh" "$run/share/guest.sh"
cp --sparse=always "$image/disk.img" "$run/disk.img"
cp "$image/vmlinuz" "$image/initrd" "$run/"

# Compile the module for a release, where the guest's DKMS finds it.
native_module() {
	local release=$1 series headers

	series=$(cut -d. -f1-2 <<<"$release")
	headers=$("$VM_DIR/kernel-headers.sh" "$series")
	[ "$(cat "$headers/release")" = "$release" ] ||
		headers=$("$VM_DIR/kernel-headers.sh" --refresh "$series")
	[ "$(cat "$headers/release")" = "$release" ] ||
		vm_die "the archive has no headers of $release any more; remove $image"
	# shellcheck disable=SC2016 # for the other shell
	"$VM_DIR/chroot.sh" --kernel "$headers" --bind "$run/share/native:/mnt/native" -- \
		/bin/sh -c 'make -s -j"$(nproc)" modules KDIR="$KDIR" &&
			cp drivers/block/ublk/ublk_drv.ko "/mnt/native/$1.ko"' sh "$release" >&2
}

if [ -n "${NATIVE:-}" ]; then
	mkdir "$run/share/native"
	native_module "$(cat "$image/release")"
	native_module "$new"
fi

vm_log "ready after $(($(date +%s) - VM_T0)) s"

# Print what the guest appends to a file, until it has ended.
follow() {
	tail -q -n +1 --pid="$2" -s 0.5 -f "$1" 2>/dev/null
}

# boot STEP DIR [WORD...]: start the kernel in DIR, run one step, wait for its reboot.
boot() {
	local step=$1 dir=$2 status=0
	shift 2

	rm -f "$run/share/status"
	: >"$run/share/out"
	printf 'exec bash /share/guest.sh %s %s %s >>/share/out 2>&1\n' \
		"$step" "$version" "$new" >"$run/share/step"
	echo "# boot: step $step"
	timeout -k 5 "$BOOT_SECONDS" "${VM_QEMU[@]}" -nodefaults -no-user-config \
		-display none -no-reboot -m "${MEM:-4G}" -smp "${SMP:-2}" \
		-accel tcg,thread=multi -cpu max,la57=off \
		-kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
		-append "root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check $*" \
		-drive "file=$run/disk.img,format=raw,if=virtio,cache=unsafe" \
		-virtfs "local,path=$run/share,mount_tag=share,security_model=none,multidevs=remap" \
		-device virtio-rng-pci \
		-serial "file:$run/console" </dev/null 2>"$run/qemu" &
	qemu_pid=$!
	follow "$run/share/out" "$qemu_pid" &
	wait "$qemu_pid" || status=$?
	qemu_pid=
	wait
	[ "$(cat "$run/share/status" 2>/dev/null)" = 0 ] && return
	if [ ! -e "$run/share/status" ]; then
		echo "# the guest did not end step $step (QEMU status $status); last lines of its console:"
		tail -n 40 "$run/console" | sed 's/^/# /'
		cat "$run/qemu" >&2
	fi
	guest_failed=1
	return 1
}

failed=0
guest_failed=
echo 1 >"$run/share/number"
echo "KTAP version 1"
if "$PACKAGES_DIR/contents.sh" "$run/first" >"$run/contents"; then
	result=ok
else
	result="not ok"
	failed=1
fi
sed 's/^/    /' "$run/contents"
echo "$result 1 contents"
steps() {
	boot install "$run" &&
		boot again "$run" &&
		boot new-kernel "$run/share/boot" module.sig_enforce=1 &&
		boot own-driver "$run/share/boot"
}
steps || true
number=$(cat "$run/share/number")
if [ -n "$guest_failed" ] && ! grep -qs '^not ok' "$run/share/out"; then
	number=$((number + 1))
	echo "not ok $number the guest ends its steps"
fi
echo "1..$number"
echo "# took $(($(date +%s) - VM_T0)) s"
[ -z "$guest_failed" ] || failed=1
exit "$failed"
