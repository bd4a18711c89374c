#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fio reads back what it writes through the loop target, with several numbers of
# queues, depths and block sizes from 512 bytes to 1 MiB.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

# queues, depth, block size, amount
while read -r queues depth bs amount; do
	rm -f "$TMP/img"
	add_dev -t loop -f "$(new_file img 64M)" -q "$queues" -d "$depth"
	check "loop: $queues queues, depth $depth, block size $bs" \
		fio_verify "$BDEV" --bsrange="$bs" --iodepth="$depth" \
		--size="$(less "$amount")k"
	del_dev || die "deleting device $DEV"
done < <(rows <<END
1 1 4k-4k 1024
1 32 512-512 512
1 128 1m-1m 32768
4 1 64k-64k 4096
4 32 4k-4k 4096
4 128 512-1m 16384
END
)
finish
