#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fio reads back what it writes to a disk in memory: random blocks, sequential
# ones, and mixed sizes at any sector; with one queue, and with four, whose threads
# share the memory.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

# queues, kind, smallest and largest block, MiB per job
while read -r queues kind bs amount; do
	add_dev -t mem --size 64M -q "$queues" -d 32
	check "mem: $queues queues, $kind of $bs" \
		fio_verify "$BDEV" --rw="$kind" --bsrange="$bs" --iodepth=16 \
		--size="$(less "$amount")m" --numjobs="$queues" \
		--offset_increment=16m --group_reporting
	del_dev || die "deleting device $DEV"
done < <(rows <<END
1 randwrite 4k-4k 4
1 write 128k-128k 16
1 randwrite 512-1m 16
4 randwrite 4k-4k 2
4 write 128k-128k 8
4 randwrite 512-1m 8
END
)
finish
