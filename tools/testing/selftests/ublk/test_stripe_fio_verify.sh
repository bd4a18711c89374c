#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fio reads back what it writes to a striped disk: two, three and five members of
# different odd sizes, small and large chunks, random and sequential blocks, and
# mixed sizes at any sector; one queue and four.
#
# runner: timeout=400 stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

# members, chunk, queues, kind, smallest and largest block, MiB per job
while read -r members chunk queues kind bs amount; do
	files=()
	for ((i = 0; i < members; i++)); do
		rm -f "$TMP/img$i"
		files+=("$(new_file "img$i" $((33554432 + i * 70000 + 512)))")
	done
	add_dev -t stripe -q "$queues" --chunk-size "$chunk" "${files[@]}"
	check "stripe: $members members, chunk $chunk, $queues queues, $kind of $bs" \
		fio_verify "$BDEV" --rw="$kind" --bsrange="$bs" --iodepth=16 \
		--size="$(less "$amount")m" --numjobs="$queues" \
		--offset_increment=16m --group_reporting
	del_dev || die "deleting device $DEV"
done < <(rows <<END
2 64k 1 randwrite 4k-4k 4
3 64k 1 write 128k-128k 16
5 4k 1 randwrite 512-1m 16
2 128k 4 randwrite 512-1m 8
3 4k 4 randwrite 4k-4k 2
5 64k 4 write 128k-128k 8
3 64k 4 randwrite 512-1m 8
END
)
finish
