#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: net-guest.sh RUNS ROWS JOBS	(run by bench/net.sh in the guest)
#
# Measures disks of one NBD server, nbdkit with 256 MiB of memory that was written once,
# on a unix socket: of the kernel's client, of qemu-nbd, and of the target nbd. Then disks of
# one image of a Ceph in the guest: of the kernel's client, of rbd-nbd without its cache,
# and of the target rbd; that figure has what the Ceph costs in it, too. Prints "ROW
# subject job instructions". ROWS and JOBS select by name.
set -euo pipefail

runs=$1 rows=$2 wanted=$3
# shellcheck source=tools/testing/selftests/ublk/lib.sh
. tools/testing/selftests/ublk/lib.sh >/dev/null
# shellcheck source=tools/testing/selftests/ublk/ceph.sh
. tools/testing/selftests/ublk/ceph.sh
# shellcheck source=bench/cost.sh
. "$(dirname -- "$0")/cost.sh"

# shellcheck disable=SC2034 # of cost.sh
jobs=(
	"4k-randread-qd32 randread 4 32"
	"4k-randwrite-qd32 randwrite 4 32"
	"4k-randread-qd1 randread 4 1"
	"4k-randwrite-qd1 randwrite 4 1"
	"128k-read-qd32 read 128 32"
	"128k-write-qd32 write 128 32"
)
# shellcheck disable=SC2034
size=256M ios=10000
sock=$TMP/sock
export UBLK_TARGET_DIR=$PWD/ublksrv/targets

within() {
	busywait 10000 "$@" || die "waited in vain: $*"
}

chosen() {
	[[ $1 =~ $rows ]]
}

has_size() {
	[ "$(cat "/sys/block/$1/size")" -gt 0 ]
}

# Write all of it, so that the server has its memory.
fill() {
	fio --name=fill --filename="$1" --ioengine=io_uring --direct=1 --rw=write --bs=1M \
		--iodepth=4 --minimal >"$TMP/fill.out"
}

# Each subject has a server of its own, whose memory is there.
server() {
	nbdkit -P "$TMP/pid" -U "$sock" memory "$size"
	"$UBLK" add -n 0 -t nbd --unix "$sock" >&2
	fill /dev/ublkb0
	"$UBLK" del -n 0 >&2
}

server_end() {
	local pid

	pid=$(cat "$TMP/pid")
	kill "$pid"
	within ended "$pid"
	rm -f "$sock"
}

measure_kernel() {
	chosen "$1" || return 0
	server
	nbd-client -unix "$sock" /dev/nbd0 >&2
	within has_size nbd0
	measure_none "$1" /dev/nbd0
	nbd-client -d /dev/nbd0 >&2
	server_end
}

measure_qemu() {
	chosen "$1" || return 0
	server
	qemu-nbd -c /dev/nbd1 -f raw --cache=none "nbd+unix:///?socket=$sock" >&2
	within has_size nbd1
	measure_none "$1" /dev/nbd1
	qemu-nbd -d /dev/nbd1 >&2
	server_end
}

# NAME WORD...: ublk add -t nbd WORD...
measure_ours() {
	local name=$1
	shift

	chosen "$name" || return 0
	server
	"$UBLK" add -n 0 -t nbd --unix "$sock" "$@" >&2
	measure "$name" /dev/ublkb0
	"$UBLK" del -n 0 >&2
	server_end
}

# --- the image

# An acknowledged write is in the cluster, for all three.
ceph_with_image() {
	ceph_start >&2
	echo "rbd cache = false" >>"$CEPH_CONF"
	rbd create --size "$size" rbd/bench
	"$UBLK" add -n 0 -t rbd rbd/bench >&2
	fill /dev/ublkb0
	"$UBLK" del -n 0 >&2
}

measure_krbd() {
	chosen "$1" || return 0
	modprobe rbd
	# nobody makes nodes but the kernel
	rbd device map -o noudev rbd/bench >&2
	within has_size rbd0
	measure_none "$1" /dev/rbd0
	rbd device unmap -o noudev /dev/rbd0 >&2
}

measure_rbd_nbd() {
	chosen "$1" || return 0
	rbd-nbd map --device /dev/nbd2 rbd/bench >&2
	within has_size nbd2
	measure_none "$1" /dev/nbd2
	rbd-nbd unmap /dev/nbd2 >&2
}

measure_our_rbd() {
	chosen "$1" || return 0
	"$UBLK" add -n 0 -t rbd rbd/bench >&2
	measure "$1" /dev/ublkb0
	"$UBLK" del -n 0 >&2
}

measure_images() {
	local ios=2000

	chosen "kernel rbd client" || chosen "rbd-nbd" || chosen "target rbd" || return 0
	ceph_with_image
	measure_krbd "kernel rbd client"
	measure_rbd_nbd "rbd-nbd"
	measure_our_rbd "target rbd"
}

# qemu-nbd has its socket there
mkdir -p /run/lock
echo 0 >/proc/sys/kernel/randomize_va_space
sync
modprobe ublk_drv
modprobe nbd
measure_kernel "kernel nbd client"
measure_qemu "qemu-nbd -c"
measure_ours "target nbd"
measure_ours "target nbd --structured-replies" --structured-replies
measure_ours "target nbd --unflushed trust" --unflushed trust
measure_images
