#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The smallest and the largest queue depth.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

for depth in 1 4096; do
	rm -f "$TMP/img"
	add_dev -t loop -f "$(new_file img 32M)" -d "$depth" --io-buf-size 64K
	check "depth $depth is granted" prints "$depth" \
		awk 'NR == 1 { print $7 }' "$TMP/add.out"
	check "depth $depth: random IO verifies" fio_verify "$BDEV" --bs=4k \
		--iodepth="$((depth < 512 ? depth : 512))" --size="$(less 4096)k"
	check "depth $depth: device is deleted" del_dev
done
finish
