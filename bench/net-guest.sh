#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: net-guest.sh RUNS ROWS JOBS	(run by bench/net.sh in the guest)
#
# Measures disks of one NBD server, nbdkit with 1 GiB of memory that was written once, on
# a unix socket: of the kernel's client, of qemu-nbd, and of the target nbd. Prints "ROW
# subject job instructions". ROWS and JOBS select by name.
set -euo pipefail

runs=$1 rows=$2 wanted=$3
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
dir=/tmp/bench-net
sock=$dir/sock
export UBLK_TARGET_DIR=$PWD/ublksrv/targets

within() {
	local i

	for ((i = 0; i < 500; i++)); do
		! "$@" 2>/dev/null || return 0
		read -r -t 0.02 <>"$dir/pause" || true
	done
	echo "bench: waited in vain: $*" >&2
	return 1
}

has_size() {
	[ "$(cat "/sys/block/$1/size")" -gt 0 ]
}

# Each subject has a server of its own, whose memory is there.
server() {
	nbdkit -P "$dir/pid" -U "$sock" memory 1G
	ublk add -n 0 -t nbd --unix "$sock" >&2
	dd if=/dev/urandom of=/dev/ublkb0 bs=1M count=1024 oflag=direct status=none
	ublk del -n 0 >&2
}

gone() {
	! kill -0 "$1"
}

server_end() {
	local pid

	pid=$(cat "$dir/pid")
	kill "$pid"
	within gone "$pid"
	rm -f "$sock"
}

measure_kernel() {
	[[ $1 =~ $rows ]] || return 0
	server
	nbd-client -unix "$sock" /dev/nbd0 >&2
	within has_size nbd0
	measure_none "$1" /dev/nbd0
	nbd-client -d /dev/nbd0 >&2
	server_end
}

measure_qemu() {
	[[ $1 =~ $rows ]] || return 0
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

	[[ $name =~ $rows ]] || return 0
	server
	ublk add -n 0 -t nbd --unix "$sock" "$@" >&2
	measure "$name" /dev/ublkb0
	ublk del -n 0 >&2
	server_end
}

echo 0 >/proc/sys/kernel/randomize_va_space
sync
mkdir -p "$dir"
mkfifo "$dir/pause"
modprobe ublk_drv
modprobe nbd
measure_kernel "kernel nbd client"
measure_qemu "qemu-nbd -c"
measure_ours "target nbd"
measure_ours "target nbd --unflushed trust" --unflushed trust
