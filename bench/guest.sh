#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: guest.sh DRIVER	(run by bench/run.sh in the guest)
#
# Measure every subject with every job and print "ROW subject job instructions".
# DRIVER is a word for the table: which ublk_drv modprobe finds.
set -euo pipefail

driver=$1
fio_log=$(mktemp)

# 20,000 IOs of one process, or 1 GiB of them, no scheduler. fio counts in whole
# milliseconds, and what the disk of the guest does meanwhile is not as exact as
# its clock: a job is run this often, and the lowest figure counts.
runs=3
jobs=(
	"4k-randread-qd32 randread 4k 32"
	"4k-randwrite-qd32 randwrite 4k 32"
	"4k-randread-qd1 randread 4k 1"
	"128k-read-qd32 read 128k 32"
)

# One job on one device: 1e9 / IOPS is the number of instructions, as the
# instruction clock makes one of them a nanosecond.
cost() {
	local dev=$1 rw=$2 bs=$3 depth=$4 batch=()

	[ "$depth" -eq 1 ] ||
		batch=(--iodepth_batch_submit=16 --iodepth_batch_complete_min=8
			--iodepth_batch_complete_max=32)
	fio --name=cost --filename="$dev" --ioengine=io_uring --direct=1 \
		--rw="$rw" --bs="$bs" --iodepth="$depth" "${batch[@]}" \
		--number_ios=20000 --norandommap --size=1G --output-format=json \
		--output="$fio_log" >&2 || {
		cat "$fio_log" >&2
		return 1
	}
	python3 - "$fio_log" "$bs" <<-'PY'
	import json, sys
	job = json.load(open(sys.argv[1]))["jobs"][0]
	side = max(job["read"], job["write"], key=lambda s: s["total_ios"])
	want = min(20000, 2**30 // (int(sys.argv[2][:-1]) * 1024))
	if job["error"] or side["total_ios"] != want:
	    sys.exit(f"fio: error {job['error']}, {side['total_ios']} of {want} IOs")
	print(round(side["runtime"] * 1e6 / side["total_ios"]))
	PY
}

measure() {
	local subject=$1 dev=$2 job name rw bs depth insns least i

	echo none >"/sys/block/${dev#/dev/}/queue/scheduler"
	for job in "${jobs[@]}"; do
		read -r name rw bs depth <<<"$job"
		least=
		for ((i = 0; i < runs; i++)); do
			insns=$(cost "$dev" "$rw" "$bs" "$depth")
			[ -n "$least" ] && [ "$least" -le "$insns" ] ||
				least=$insns
		done
		printf 'ROW\t%s\t%s\t%s\n' "$subject" "$name" "$least"
	done
}

# The same addresses in every run, and nothing to write back meanwhile.
echo 0 >/proc/sys/kernel/randomize_va_space
sync

# The backing device of everything: takes any IO, stores nothing.
modprobe null_blk nr_devices=1 gb=2 queue_mode=2 irqmode=0 submit_queues=1
modprobe ublk_drv

if [ "$driver" != our ]; then
	measure "null_blk" /dev/nullb0
	modprobe loop
	losetup --direct-io=on /dev/loop0 /dev/nullb0
	measure "kernel loop, direct IO, on null_blk" /dev/loop0
	losetup -d /dev/loop0
fi

ublk add -t null -n 0 -q 1 -d 128 >&2
measure "$driver driver, null" /dev/ublkb0
ublk del -n 0 >&2

ublk add -t loop -n 0 -q 1 -d 128 -f /dev/nullb0 >&2
measure "$driver driver, loop on null_blk" /dev/ublkb0
ublk del -n 0 >&2
