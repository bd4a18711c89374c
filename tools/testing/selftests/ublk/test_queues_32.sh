#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ask for more queues than processors: the driver grants one per possible processor,
# and IO from every processor works.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio taskset

cpus=$(sed 's/.*[-,]//' /sys/devices/system/cpu/possible)
want=$((cpus + 1 < 32 ? cpus + 1 : 32))
add_dev -t loop -f "$(new_file img 32M)" -q 32 -d 8
check "number of queues" prints "$want" awk 'NR == 1 { print $5 }' "$TMP/add.out"
check "a thread per queue" prints "$want" grep -c '^	queue ' "$TMP/add.out"
for cpu in $(seq 0 $((want - 1))); do
	[ -d "/sys/devices/system/cpu/cpu$cpu" ] || continue
	check "IO from CPU $cpu" taskset -c "$cpu" dd if="$BDEV" of=/dev/null \
		bs=64k count=8 iflag=direct status=none
done
check "random IO verifies" fio_verify "$BDEV" --bs=4k --iodepth=16 --size=2m \
	--numjobs=2 --offset_increment=16m
check "device is deleted" del_dev
finish
