#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: cross.sh [--jobs N] [--no-guest] [MACHINE...]
#
# make check-cross: the driver in a kernel tree, compiled for other machines, with gcc
# and clang, and looked at by sparse: intree.sh, by default for all its machines. Then
# programs of 32 bits: the layout of the ABI's structures, and the protocol's tests and
# the program "ublk" itself, linked statically, in a guest with a kernel of 64 bits.
# --no-guest leaves the guest out. KTAP, and the time that it took.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

args=("$@")
jobs=$(nproc)
guest=1
while [ $# -gt 0 ]; do
	case $1 in
	--jobs) jobs=$2; shift ;;
	--no-guest) guest= ;;
	-*) vm_die "unknown option $1" ;;
	*) break ;;
	esac
	shift
done
vm_become_root "${args[@]}"
[ $# -gt 0 ] || set -- all

# Tests of everything that passes a pointer, a size or an offset to the driver.
PROGRAMS="uapi_add uapi_batch_data uapi_ctrl uapi_data uapi_io uapi_params
	uapi_recovery uapi_shmem uapi_shmem_io uapi_user_copy uapi_zero_copy"

# Runs in the chroot: /mnt/tree is this checkout, /mnt/out/src a copy of it.
# shellcheck disable=SC2317,SC2329
compile32() {
	set -eu
	local tests=/mnt/out/src/tools/testing/selftests/ublk cc=i686-linux-gnu-gcc
	local compiler prog progs=()

	for compiler in i686-linux-gnu-gcc arm-linux-gnueabihf-gcc; do
		$compiler -std=gnu11 -fsyntax-only -I/mnt/tree/test/include \
			-I/mnt/tree/include/uapi /mnt/tree/test/unit/uapi.c
	done
	rsync -a --delete --exclude=/.git --filter=':- .gitignore' /mnt/tree/ /mnt/out/src/
	cd /mnt/out/src
	# Headers of the libraries come last: the compiler has a libc of its own.
	cc="$cc -idirafter /usr/include/i386-linux-gnu -idirafter /usr/include"
	make -s -j"$2" -C ublksrv ublk CC="$cc" LDFLAGS="-static -L/usr/lib/i386-linux-gnu"
	for prog in $1; do
		progs+=("$tests/$prog")
	done
	make -s -j"$2" -C "$tests" CC="$cc" KSFT=/mnt/harness/tools/testing/selftests \
		LDFLAGS="-static -L/usr/lib/i386-linux-gnu" "${progs[@]}"
	for prog in "${progs[@]}" ublksrv/ublk; do
		[ "$(od -An -tx1 -j4 -N1 "$prog" | tr -d ' ')" = 01 ] ||
			{ echo "error: $prog is no program of 32 bits"; exit 1; }
	done
}

# Runs in the guest, in /ublk, whose program and tests are those of 64 bits.
# shellcheck disable=SC2317,SC2329
run32() {
	local src=/share/src name status number=0 failed=0

	modprobe ublk_drv
	mount --bind "$src/ublksrv" /ublk/ublksrv
	mount --bind "$src/tools/testing/selftests/ublk" /ublk/tools/testing/selftests/ublk
	cd /ublk/tools/testing/selftests/ublk || exit 1
	echo "1..$#"
	for name; do
		number=$((number + 1))
		timeout 300 "./$name" >/tmp/log 2>&1
		status=$?
		sed 's/^/    /' /tmp/log
		case $status in
		0) echo "ok $number $name, 32 bits" ;;
		4) echo "ok $number $name, 32 bits # SKIP" ;;
		*) echo "not ok $number $name, 32 bits # status $status"; failed=1 ;;
		esac
	done
	exit "$failed"
}

# programs of 32 bits: the second half of the document
programs() {
	local out root

	out=$(vm_host_dir)-32
	root=$("$VM_DIR/compile-root.sh" --cross)/root || return 1
	harness=$("$VM_DIR/kernel-source.sh" --tools) || return 1
	mkdir -p "$out/src" "$root/mnt/harness"
	echo "1..1"
	(
		vm_lock 7 "$(basename "$out")"
		vm_compiler "$root" "$out" "$(declare -f compile32)
			compile32 '$(xargs <<<"$PROGRAMS")' $jobs" \
			"$TOP_DIR:/mnt/tree" "$harness:/mnt/harness"
	) >"$tmp/log" 2>&1 || {
		grep -E 'error' "$tmp/log" | head -n 20 | sed 's/^/# /'
		tail -n 20 "$tmp/log" | sed 's/^/# /'
		echo "not ok 1 compile programs of 32 bits"
		return 1
	}
	echo "ok 1 compile programs of 32 bits"
	[ -n "$guest" ] || return 0
	# shellcheck disable=SC2086 # a list
	"$VM_DIR/run.sh" --quiet --share "$out" --timeout 3000 -- \
		bash -c "$(declare -f run32); run32 \"\$@\"" bash \
		$PROGRAMS test_loop_fio_verify.sh test_recover_cli.sh
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-cross.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
failed=0
{
	"$VM_DIR/intree.sh" --jobs "$jobs" "$@" || touch "$tmp/failed"
	programs || touch "$tmp/failed"
} | tee "$tmp/ktap"
[ ! -e "$tmp/failed" ] || failed=1
echo "# took $(($(date +%s) - VM_T0)) s"
awk -f "$VM_DIR/ktap.awk" "$tmp/ktap" || failed=1
exit "$failed"
