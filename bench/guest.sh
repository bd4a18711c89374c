#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: guest.sh DRIVER RUNS ROWS JOBS	(run by bench/run.sh in the guest)
#
# Measures every subject with every job and prints "ROW subject job
# instructions". DRIVER names, for the table, the ublk_drv that modprobe loads.
# ROWS and JOBS are regular expressions that select subjects and jobs by name.
# A data mode that the driver does not offer is left out.
set -euo pipefail

driver=$1 runs=$2 rows=$3 wanted=$4
# shellcheck source=bench/cost.sh
. "$(dirname -- "$0")/cost.sh"

# One process does 20,000 IOs, or 1 GiB of them, on a disk of a file in 256 MiB,
# without a scheduler; of devices
# "as added" nothing is set. fio rounds to milliseconds, and the disk of the guest
# adds instructions that differ from run to run, so each job runs RUNS times and
# the lowest figure counts.
jobs=(
	"4k-randread-qd32 randread 4 32"
	"4k-randwrite-qd32 randwrite 4 32"
	"4k-randread-qd1 randread 4 1"
	"128k-read-qd32 read 128 32"
)

# Every data mode, and the one that the daemon chooses by default.
modes=(
	"copy --copy --no-batch-io"
	"zero-copy --zerocopy --no-batch-io"
	"copy-batch --copy --batch-io"
	"zero-copy-batch --zerocopy --batch-io"
	"user-copy --usercopy --no-batch-io"
	"user-copy-batch --usercopy --batch-io"
	"redirect --no-passthrough"
	"chosen"
)

ublk=ublk

# Measures a device of our daemon as "measure" or "measure_none" does, unless
# "add" says that the driver does not offer the mode.
measure_ublk() {
	local how=$1 subject=$2 why

	shift 2
	[[ $subject =~ $rows ]] || return 0
	if ! why=$("$ublk" add -n 0 "$@" 2>&1 >/dev/null); then
		[[ $why == *"does not offer"* ]] && return 0
		echo "bench: $subject: $why" >&2
		return 1
	fi
	"$how" "$subject" /dev/ublkb0
	"$ublk" del -n 0 >&2
}

# Measures the kernel's loop driver on a backing device.
measure_kernel_loop() {
	[[ $1 =~ $rows ]] || return 0
	modprobe loop
	losetup --direct-io=on /dev/loop0 "$2"
	measure_none "$1" /dev/loop0
	losetup -d /dev/loop0
}

# Measures device mapper's linear target on a backing device.
measure_dm_linear() {
	[[ $1 =~ $rows ]] || return 0
	modprobe dm_mod
	echo "0 $(blockdev --getsz "$2") linear $2 0" |
		dmsetup create --noudevrules --noudevsync bench
	measure "$1" "/dev/dm-$(dmsetup info -c --noheadings -o minor bench)"
	dmsetup remove --noudevrules --noudevsync --retry bench
}

slab() {
	awk '$1 == "Slab:" { print $2 * 1024 }' /proc/meminfo
}

# Measures a device of many extents, and prints what memory one needs. NAME EXTENTS DEV
measure_pieces() {
	local subject="$1, $driver driver" before

	[[ $subject =~ $rows ]] || return 0
	[ "$driver" = our ] || return 0
	echo 3 >/proc/sys/vm/drop_caches
	before=$(slab)
	"$ublk" add -n 0 -t pieces --extents "$2" -f "$3" >/dev/null
	[ "$2" -lt 100000 ] ||
		echo "bench: $2 extents: $((($(slab) - before) / $2)) bytes of kernel memory each"
	measure "$subject" /dev/ublkb0
	"$ublk" del -n 0 >&2
}

# Prints how long it takes to remove an extent while the disk is read, at depth 32, from
# a device whose IO takes 10 us and ends in an interrupt.
measure_removals() {
	[ "$driver" = our ] && [[ "removal of extents" =~ $rows ]] || return 0
	local dev times

	dev=$(make_nullb removals size=4096 irqmode=2 completion_nsec=10000 hw_queue_depth=64)
	times=$(mktemp)
	"$ublk" add -n 0 -t pieces --extents "$1" -f "$dev" --removals 500 \
		--report "$times" >/dev/null
	while [ "$(wc -l <"$times")" -lt 500 ]; do
		cost /dev/ublkb0 randread 4 32 >/dev/null || return
	done
	"$ublk" del -n 0 >&2
	sort -n "$times" | awk -v n="$1" '
		{ t[NR] = $1 }
		END {
			printf "bench: removal of one of %d extents under load: ", n
			printf "median %d, 99 %% %d, longest %d ns\n", t[int(NR / 2)],
				t[int(NR * 0.99)], t[NR]
		}'
}

# make_nullb NAME SETTING...: a null_blk device of configfs; prints its node.
make_nullb() {
	local conf=/sys/kernel/config/nullb/$1 name=$1 setting
	shift

	mkdir "$conf"
	for setting in queue_mode=2 irqmode=0 submit_queues=1 "$@" power=1; do
		echo "${setting#*=}" >"$conf/${setting%=*}"
	done
	[ ! -b "/dev/$name" ] || { echo "/dev/$name"; return; }
	echo "/dev/nullb$(cat "$conf/index")"
}

# Measures disks in a file of a file system, whose blocks are in memory.
measure_files() {
	local fs=$1 dir=/mnt/bench disk kernel ours realtime
	local only=4k size=256M

	kernel="kernel loop, direct IO, on an $fs file"
	ours="loop as added, $fs file, $driver driver"
	realtime="loop --realtime, $fs file, $driver driver"
	[[ $kernel =~ $rows || $ours =~ $rows || $realtime =~ $rows ]] || return 0
	disk=$(make_nullb "$fs" size=768 memory_backed=1)
	mkfs."$fs" -q "$disk"
	mkdir -p "$dir"
	mount "$disk" "$dir"
	dd if=/dev/zero of="$dir/file" bs=1M count=256 oflag=direct status=none
	if [ "$driver" != our ]; then
		measure_kernel_loop "$kernel" "$dir/file"
	fi
	measure_ublk measure "$ours" -t loop -f "$dir/file"
	only=qd1
	measure_ublk measure "$realtime" -t loop -f "$dir/file" --realtime
	umount "$dir"
}

# Measures ours beside the kernel's loop driver on two processors. They run in turn,
# and the clock counts the instructions of both. As many processes do IO as there are
# queues; with one, at three depths.
measure_two_processors() {
	local processes jobs=("4k-randread-qd1 randread 4 1"
		"4k-randread-qd32 randread 4 32" "4k-randread-qd128 randread 4 128")

	for processes in 1 2 4; do
		measure_kernel_loop "two CPUs: kernel loop, $processes fio" /dev/nullb0
		measure_ublk measure "two CPUs: loop -q $processes, $processes fio" \
			-t loop -f /dev/nullb0 -q "$processes"
		measure_ublk measure "two CPUs: loop -q $processes redirect, $processes fio" \
			-t loop -f /dev/nullb0 -q "$processes" --no-passthrough
		jobs=("4k-randread-qd32 randread 4 32")
	done
}

# Every run has the same addresses, and nothing is written back meanwhile.
echo 0 >/proc/sys/kernel/randomize_va_space
sync

# The backing devices complete any IO and store nothing. The one of most subjects
# takes 127 KiB at once. The other one takes as much as a disk may, 1280 KiB; its
# node goes to $long.
modprobe null_blk nr_devices=1 gb=2 queue_mode=2 irqmode=0 submit_queues="$(nproc)"
modprobe ublk_drv
if [ "$(nproc)" -gt 1 ]; then
	measure_two_processors
	exit
fi
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
long=$(make_nullb long size=2048 max_sectors=2560)

if [ "$driver" != our ]; then
	subject="null_blk"
	[[ ! $subject =~ $rows ]] || measure_none "$subject" /dev/nullb0
	measure_kernel_loop "kernel loop, direct IO, on null_blk" /dev/nullb0
	measure_kernel_loop "kernel loop, direct IO, 1280k backing" "$long"
fi

for target in "null" "loop -f /dev/nullb0"; do
	for mode in "${modes[@]}"; do
		[ "$target ${mode%% *}" != "null redirect" ] || continue
		read -ra words <<<"-t $target ${mode#* }"
		[ "$mode" != chosen ] || read -ra words <<<"-t $target"
		measure_ublk measure_none \
			"${target%% *} ${mode%% *}, $driver driver" \
			-q 1 -d 128 "${words[@]}"
	done
	read -ra words <<<"-t $target"
	measure_ublk measure "${target%% *} as added, $driver driver" \
		"${words[@]}"
	only=qd1
	measure_ublk measure "${target%% *} --realtime, $driver driver" \
		"${words[@]}" --realtime
	only=.
	# What the counters of "ublk stat" cost: the same program without them.
	ublk=$PWD/build/uncounted/ublksrv/ublk
	measure_ublk measure "${target%% *} as added, no counters, $driver driver" \
		"${words[@]}"
	ublk=ublk
done
measure_ublk measure "loop as added, 1280k backing, $driver driver" -t loop -f "$long"
# On the same backing, in the same run as "loop as added", which passes.
measure_dm_linear "dm-linear, $driver driver" /dev/nullb0
# What does not pass: this and the next one are to be compared with "null as added".
measure_ublk measure "null behind an empty table, $driver driver" -t null --empty-table
export UBLK_TARGET_DIR=$PWD/build/pieces
wide=$(make_nullb wide size=4096)
only=4k size=4G
# All but one of a million IOs miss it.
measure_pieces "null beside an extent" 1 "$wide"
# To be compared with "loop as added".
measure_pieces "a million extents" 1048576 "$wide"
measure_removals 1048576
only=. size=1G
measure_files ext4
measure_files xfs
