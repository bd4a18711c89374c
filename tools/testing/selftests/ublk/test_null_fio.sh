#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Random IO of all block sizes on the null target, several queues and depths.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

run_fio() {
	timeout "$((60 * SCALE))" fio --name=null --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --rw=randrw --norandommap --randrepeat=1 --minimal \
		"$@" >"$TMP/fio.out"
}

# queues, depth, block size, number of IOs
while read -r queues depth bs number; do
	add_dev -t null -q "$queues" -d "$depth"
	check "null: $queues queues, depth $depth, block size $bs" run_fio \
		--bs="$bs" --iodepth="$depth" --number_ios="$(less "$number")" --size=1G
	del_dev || die "deleting device $DEV"
done <<END
1 1 4k 200
1 32 512 1000
1 128 4k 1000
4 1 512 200
4 32 1m 100
4 128 64k 500
END
finish
