#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check-system: a declared device as a service of a real systemd, with real udev and
# real file systems: ext4 on a disk whose file lies on a second disk, through deaths of
# servers and supervisor, restarts, and orderly reboots, with each way to write the line
# in fstab; 16 disks; and what else can happen. guest.sh, odd.sh and fleet.sh have the steps, one a boot; the transcript is the output, a KTAP
# document. Takes minutes, because the guest is emulated; the time is printed.
#
# The guest is that of test/vm: its Debian has systemd, which is process 1 here. The
# program is what "make install" puts there. What the guest writes to its disks is kept
# from one boot to the next, and thrown away at the end.
#
# Environment: STEPS= (some of them; most need "install" before), SCALE=1 (multiplies deadlines, for
# a busy machine), SMP=2, MEM=3G, UBLK_MIRROR=URL.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/../vm/lib.sh"

vm_become_root "$@"
SYSTEM_DIR=$(cd -P -- "$(dirname -- "$0")" && pwd)
STEPS=${STEPS:-newuser newuser-after install by-name wants label requires wrong
	store soft soft-label soft-requires freeze stuck stuck-after session session-after
	chain chain-after chain-end
	fleet-make fleet-power fleet-crash fleet-full fleet-upgrade}
SCALE=${SCALE:-1}
RUN_SECONDS=$((2400 * SCALE))	# for all boots

run=$(mktemp -d "${TMPDIR:-/tmp}/ublk-system.XXXXXX")
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

unit() {
	cat <<-UNIT
		[Unit]
		Description=Step of the test on the host
		IgnoreOnIsolate=yes
		After=systemd-user-sessions.service

		[Service]
		Type=simple
		ExecStartPre=/bin/sh -c 'modprobe -a 9p 9pnet_virtio && mkdir -p /share && mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /share'
		ExecStart=/bin/bash -c 'exec bash /share/guest.sh >>/share/out 2>&1'
		Environment=HOME=/root LC_ALL=C.UTF-8 SCALE=$SCALE
	UNIT
}

# What would run beside the test, in its own time.
MASKED="apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer xfs_scrub_all.timer getty.target getty-static.service
	serial-getty@ttyS0.service getty@tty1.service ldconfig.service systemd-binfmt.service
	systemd-journal-catalog-update.service systemd-update-done.service
	modprobe@drm.service modprobe@efi_pstore.service"

BUS_PACKAGES="dbus dbus-daemon dbus-system-bus-common libpam-systemd"

# The deadlines of units, as those of the test.
scale_units() {
	local dir=$run/products/etc/systemd/system

	mkdir -p "$dir/ublk@.service.d" "$dir/ublk-shutdown.service.d"
	printf '%s\n' '[Service]' "TimeoutStartSec=$((90 * SCALE))" "TimeoutStopSec=$((60 * SCALE))" \
		>"$dir/ublk@.service.d/scale.conf"
	printf '%s\n' '[Service]' "TimeoutStartSec=$((60 * SCALE))" \
		>"$dir/ublk-shutdown.service.d/scale.conf"
}

# What is added to the guest's root at the first boot: what "make install" makes, the
# module, the unit of the test, a journal that stays.
make_products() {
	local release=$1 name

	mkdir -p "$run/products/etc/systemd/system/multi-user.target.wants" \
		"$run/products/usr/lib" "$run/products/var/log/journal" "$run/products/srv"
	"$VM_DIR/build.sh" --no-tests >&2
	# With the index that modprobe reads: the guest would take minutes to make it.
	cp -a "$(vm_work_dir "$release")/stage/usr/lib/modules" "$run/products/usr/lib/"
	"$VM_DIR/chroot.sh" --no-sync --bind "$run/products:/mnt/products" -- \
		make -s install-user PREFIX=/usr SYSTEMDDIR=/usr/lib/systemd \
		UDEVDIR=/usr/lib/udev/rules.d DESTDIR=/mnt/products >&2
	[ "$SCALE" -eq 1 ] || scale_units
	unit >"$run/products/etc/systemd/system/step.service"
	ln -s ../step.service "$run/products/etc/systemd/system/multi-user.target.wants/"
	for name in $MASKED; do
		ln -s /dev/null "$run/products/etc/systemd/system/$name"
	done
	echo "$release" | sha256sum | cut -c1-32 >"$run/products/etc/machine-id"
	tar --owner=0 --group=0 -C "$run/products" -cf "$run/products.tar" .
}

# A bus and sessions of logind, for the step that logs in: test/vm needs neither.
fetch_bus() {
	local deb

	mkdir "$run/debs" "$run/bus"
	vm_apt_update
	# shellcheck disable=SC2086 # a list
	(cd "$run/debs" && vm_apt apt-get -qq download $BUS_PACKAGES) >&2 ||
		vm_die "cannot download $BUS_PACKAGES"
	for deb in "$run"/debs/*.deb; do
		dpkg-deb -x "$deb" "$run/bus"
	done
	tar --owner=0 --group=0 -C "$run/bus" -cf "$run/share/bus.tar" usr etc
}

# The initramfs of test/vm with another second part: systemd instead of a command.
make_initrd() {
	local rootdir=$1

	mkdir -p "$run/initrd/bin" "$run/initrd/boot" "$run/initrd/dev" "$run/initrd/proc" \
		"$run/initrd/root" "$run/initrd/vm"
	cp "$rootdir/root/bin/busybox" "$run/initrd/bin/"
	cp "$rootdir"/boot/*.ko "$run/initrd/boot/"
	cp "$VM_DIR/initramfs-init" "$run/initrd/init"
	cat >"$run/initrd/vm/guest-init" <<-'INIT'
		export PATH=/usr/sbin:/usr/bin
		[ -e /usr/sbin/ublk ] || tar -xf /dev/vdc -C /
		exec /usr/lib/systemd/systemd
	INIT
	(cd "$run/initrd" && find . | cpio -o -H newc --quiet >"$run/initrd.cpio")
}

rootdir=$("$VM_DIR/prepare.sh")
vm_qemu "$("$VM_DIR/emulator.sh")"
make_products "$(cat "$rootdir/release")"
make_initrd "$rootdir"
mkdir "$run/share"
cp "$SYSTEM_DIR/guest.sh" "$SYSTEM_DIR/odd.sh" "$SYSTEM_DIR/fleet.sh" "$run/share/"
# The commands of the manual page, for a new user.
awk '/^AT EVERY BOOT$/ { on = 1 } on && /^\t/ { print substr($0, 2); some = 1 } some && /^[^\t]/ { exit }' \
	"$TOP_DIR/ublksrv/man/ublk.1.rst" >"$run/share/newuser"
case " $STEPS " in
*" session "*) fetch_bus ;;
esac
# shellcheck disable=SC2086 # a list
printf '%s\n' $STEPS >"$run/share/steps"
echo 0 >"$run/share/number"
: >"$run/share/out"
truncate -s 512M "$run/store.img"
vm_log "ready after $(($(date +%s) - VM_T0)) s"

# Print what the guest appends to a file, until it has ended.
follow() {
	tail -q -n +1 --pid="$2" -s 0.5 -f "$1" 2>/dev/null
}

# One process for all boots, so that snapshots last as long.
echo "KTAP version 1"
timeout -k 5 "$RUN_SECONDS" "${VM_QEMU[@]}" -nodefaults -no-user-config \
	-display none -m "${MEM:-3G}" -smp "${SMP:-2}" \
	-accel tcg,thread=multi -cpu max,la57=off \
	-kernel "$rootdir/vmlinuz" -initrd "$run/initrd.cpio" \
	-append "console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check systemd.show_status=0 module_blacklist=floppy,kvm,kvm_amd,kvm_intel systemd.default_timeout_start_sec=$((90 * SCALE)) systemd.default_device_timeout_sec=$((90 * SCALE))" \
	-drive "file=$rootdir/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe" \
	-drive "file=$run/store.img,format=raw,if=virtio,cache=unsafe" \
	-drive "file=$run/products.tar,format=raw,if=virtio,read-only=on" \
	-virtfs "local,path=$run/share,mount_tag=share,security_model=none,multidevs=remap" \
	-device virtio-rng-pci -serial "file:$run/console" </dev/null 2>"$run/qemu" &
qemu_pid=$!
follow "$run/share/out" "$qemu_pid" &
status=0
wait "$qemu_pid" || status=$?
qemu_pid=
wait
number=$(cat "$run/share/number")
result=$(cat "$run/share/status" 2>/dev/null || echo 1)
if [ ! -e "$run/share/status" ]; then
	number=$((number + 1))
	echo "# the guest did not end step $(head -n 1 "$run/share/steps") (QEMU status $status); last lines of its console:"
	tail -n 60 "$run/console" | sed 's/^/# /'
	cat "$run/qemu" >&2
	echo "not ok $number the guest ends its steps"
elif [ "$result" -ne 0 ] && [ -e "$run/share/journal" ]; then
	echo "# journal of that boot:"
	tail -n 150 "$run/share/journal" | sed 's/^/# /'
fi
number=$((number + 1))
if "$VM_DIR/klog-scan.sh" "$run/console" >"$run/scan"; then
	echo "ok $number the kernel has nothing to say"
else
	sed 's/^/# /' "$run/scan"
	echo "not ok $number the kernel has nothing to say"
	result=1
fi
echo "1..$number"
echo "# took $(($(date +%s) - VM_T0)) s"
exit "$result"
