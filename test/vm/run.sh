#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: run.sh [OPTION]... [--] COMMAND [ARG]...
#        run.sh --shell [OPTION]...
#
# Boot the guest under QEMU (emulated, KVM is not used) and run a command in it,
# as root, in /ublk, which is a copy of this checkout with its build products.
# The command's output appears on standard output; its exit status is this
# script's. The kernel log is looked through afterwards. Nothing that the guest
# does to its disk survives.
#
#   --no-build          boot with the products of the last build
#   --no-tests          do not compile the tests that are in C
#   --no-module         do not compile the module (implied by --distro-driver)
#   --distro-driver     modprobe finds the distribution's ublk_drv, not ours;
#                       UBLK_DRIVER=distribution is in the environment
#   --timeout SECONDS   kill the guest after that long (default 600)
#   --stdin FIFO        the command's standard input, else it has none
#   --share DIR         DIR is /share in the guest, writable
#   --udev              start systemd-udevd first
#   --icount            one processor on which an instruction is a nanosecond; with
#                       --smp more, which run in turn and share that clock
#   --smp N             processors, instead of SMP= or 2
#   --one-thread        they run in turn, never at the same instant: better than
#                       many threads where the host has not as many processors
#   --append WORDS      more words for the kernel command line
#   --log FILE          keep the kernel log there
#   --no-scan           do not judge the kernel log
#   --drive FILE        one more virtio disk (raw; changes are discarded)
#   --kernel DIR        another kernel: DIR/vmlinuz, DIR/release, DIR/boot
#   --quiet             no remarks of this script, errors excepted
#   --verbose           show the kernel log on standard error as it comes
#
# Environment: KERNEL=7.3 (series), SMP=2, MEM=6G, UBLK_MIRROR=URL.
#
# Exit status: the command's, or 124 deadline passed, 123 the kernel log has a
# warning or worse, 122 the guest died or gave no status, 121 build failed.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

usage() {
	sed -n '/^# usage/,/^# Exit/s/^# \{0,1\}//p' "$0" | sed '$d'
	exit "$1"
}

build=1
build_args=()
distro=
timeout=600
stdin=
share=
udev=
icount=
smp=
threads=multi
append=
log=
scan=1
drives=()
kernel=
quiet=
verbose=
shell=
while [ $# -gt 0 ]; do
	case $1 in
	--no-build) build= ;;
	--no-tests) build_args+=(--no-tests) ;;
	--no-module) build_args+=(--no-module) ;;
	--distro-driver) distro=1; build_args+=(--no-module) ;;
	--timeout) timeout=$2; shift ;;
	--stdin) stdin=$2; shift ;;
	--share) share=$2; shift ;;
	--udev) udev=1 ;;
	--icount) icount=1 ;;
	--smp) smp=$2; shift ;;
	--one-thread) threads=single ;;
	--append) append="$append $2"; shift ;;
	--log) log=$2; shift ;;
	--no-scan) scan= ;;
	--drive) drives+=("$2"); shift ;;
	--kernel) kernel=$2; shift ;;
	--quiet) quiet=1 ;;
	--verbose) verbose=1 ;;
	--shell) shell=1 ;;
	-h | --help) usage 0 ;;
	--) shift; break ;;
	-*) vm_die "unknown option $1 (try --help)" ;;
	*) break ;;
	esac
	shift
done
[ -n "$shell" ] || [ $# -gt 0 ] || usage 2 >&2
[ -z "$share" ] || [ -d "$share" ] || vm_die "--share $share: no such directory"
vm_number --timeout "$timeout"

rootdir=$("$VM_DIR/prepare.sh")
vm_qemu "$("$VM_DIR/emulator.sh")"
[ -n "$kernel" ] || kernel=$rootdir
work=$(vm_work_dir "$(cat "$kernel/release")")

run=$(mktemp -d "${TMPDIR:-/tmp}/ublk-vm.XXXXXX")
pids=
# shellcheck disable=SC2317,SC2329
cleanup() {
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill $pids 2>/dev/null || true
	wait || true
	[ -z "$log" ] || cp "$run/console" "$log" 2>/dev/null || true
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Build, and take what the guest gets while nobody else changes it.
vm_lock 7 "$(basename "$work")"
if [ -n "$build" ]; then
	[ "$kernel" = "$rootdir" ] || build_args+=(--kernel "$kernel")
	VM_LOCKED=1 "$VM_DIR/build.sh" "${build_args[@]}" 7>&- >"$run/build" 2>&1 || {
		cat "$run/build" >&2
		printf '%s: the build failed\n' "$VM_PROG" >&2
		exit 121
	}
	[ -n "$quiet" ] || grep -E 'warning:' "$run/build" >&2 || true
fi
"$VM_DIR/pack.sh" "$work" "$run/products.tar" ${distro:+--distro-driver}
exec 7>&-

# The initramfs: busybox, modules, our two scripts and what to do.
mkdir -p "$run/initrd/bin" "$run/initrd/boot" "$run/initrd/dev" \
	"$run/initrd/proc" "$run/initrd/root" "$run/initrd/vm"
cp "$rootdir/root/bin/busybox" "$run/initrd/bin/"
cp "$kernel"/boot/*.ko "$run/initrd/boot/" 2>/dev/null || true
cp "$VM_DIR/initramfs-init" "$run/initrd/init"
cp "$VM_DIR"/{guest-init,klog-scan.sh,klog.patterns,ktap.awk} "$run/initrd/vm/"
{
	printf 'SHARE=%s\n' "${share:+1}"
	printf 'STDIN=%s\n' "${stdin:+1}"
	printf 'UDEV=%s\n' "$udev"
	printf 'export UBLK_DRIVER=%s\n' "${distro:+distribution}"
	printf 'HUNG_TASK=%s\n' "${HUNG_TASK:-60}"
	if [ -n "$shell" ] && [ -t 0 ]; then
		printf 'GUEST_TERM=%q\n' "${TERM:-vt220}"
		stty size | awk '{ printf "GUEST_TTY=\"rows %d cols %d\"\n", $1, $2 }'
	fi
} >"$run/initrd/vm/settings"
if [ -z "$shell" ]; then
	{ printf 'exec'; printf ' %q' "$@"; printf '\n'; } >"$run/initrd/vm/command"
fi
(cd "$run/initrd" && find . | cpio -o -H newc --quiet >"$run/initrd.cpio")

mem=${MEM:-}
if [ -z "$mem" ]; then
	mem=$(awk '/^MemAvailable:/ { m = int($2 / 1024 * 0.7); print m < 6144 ? m : 6144 }' \
		/proc/meminfo)M
fi
qemu=("${VM_QEMU[@]}" -nodefaults -no-user-config -display none -no-reboot
	-m "$mem" -kernel "$kernel/vmlinuz" -initrd "$run/initrd.cpio"
	-drive "file=$rootdir/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe"
	-drive "file=$run/products.tar,format=raw,if=virtio,read-only=on"
	-serial "file:$run/console" -device virtio-serial
	-chardev "file,id=status,path=$run/status"
	-device "virtserialport,chardev=status,name=status")
if [ -n "$icount" ]; then
	# Without what makes the kernel choose "rep movsb" and "rep stosb": the
	# emulator counts each byte of them as an instruction.
	qemu+=(-icount "shift=0,sleep=off" -accel "tcg,thread=single" -smp "${smp:-1}"
		-cpu "max,la57=off,erms=off,fsrm=off,fsrs=off")
else
	qemu+=(-accel "tcg,thread=$threads" -smp "${smp:-${SMP:-2}}" -cpu "max,la57=off")
fi
[ -z "$share" ] ||
	qemu+=(-virtfs "local,path=$share,mount_tag=share,security_model=none,multidevs=remap")
for drive in "${drives[@]}"; do
	qemu+=(-drive "file=$drive,format=raw,if=virtio,snapshot=on,cache=unsafe")
done
# no_timer_check: on a busy host the boot's test of the timer fails by itself.
cmdline="console=ttyS0 loglevel=7 panic=-1 mitigations=off nokaslr tsc=reliable"
cmdline="$cmdline no_timer_check oops=panic$append"

touch "$run/console" "$run/status"
[ -n "$quiet" ] || vm_log "booting $(cat "$kernel/release") after $(($(date +%s) - VM_T0)) s of preparation"
started=$(date +%s)
if [ -n "$verbose" ]; then
	tail -n +1 -f "$run/console" >&2 &
	pids="$pids $!"
fi
rc=0
if [ -n "$shell" ]; then
	"${qemu[@]}" -append "$cmdline" -echr 0x1d \
		-chardev stdio,id=output,mux=on,signal=off \
		-device virtconsole,chardev=output || rc=$?
else
	# What is written to the one, the guest reads from its port.
	if [ -n "$stdin" ]; then
		ln -s "$(realpath "$stdin")" "$run/output.in"
	else
		mkfifo "$run/output.in"
	fi
	mkfifo "$run/output.out"
	cat "$run/output.out" &
	reader=$!
	timeout -k 5 "$timeout" "${qemu[@]}" -append "$cmdline" \
		-chardev "pipe,id=output,path=$run/output" \
		-device virtserialport,chardev=output,name=output </dev/null 2>"$run/qemu" &
	pids="$pids $! $reader"
	wait $! || rc=$?
	# The reader sees the end unless QEMU failed before it opened the pipe.
	[ -s "$run/console" ] || kill "$reader" 2>/dev/null || true
	wait "$reader" || true
fi
ended=$(date +%s)
status=$(cat "$run/status")

say() {
	printf '%s: %s\n' "$VM_PROG" "$*" >&2
}

result=${status:-122}
if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
	say "deadline of $timeout s passed, guest killed; last lines of its kernel log:"
	tail -n 15 "$run/console" >&2
	result=124
elif [ -n "$shell" ] && [ "$rc" -eq 0 ]; then
	result=0
elif [ -z "$status" ]; then
	say "the guest died (QEMU status $rc); last lines of its kernel log:"
	tail -n 40 "$run/console" >&2
	cat "$run/qemu" >&2 2>/dev/null || true
fi
if [ -n "$scan" ] && ! "$VM_DIR/klog-scan.sh" "$run/console" >"$run/scan"; then
	say "the guest's kernel complained:"
	cat "$run/scan" >&2
	case $result in 122 | 124) ;; *) result=123 ;; esac
fi
[ -n "$quiet" ] || vm_log "guest ran $((ended - started)) s, status $result"
exit "$result"
