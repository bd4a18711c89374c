#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fio in its zbd mode on a zoned disk: it reads back what it writes in order in many
# zones, with one queue and four, small, large and mixed blocks, and limits of open
# zones. Afterwards the report matches the file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED fio
[ -x "$LIB_DIR/zone_tool" ] || skip_all "zone_tool is not built"

# whole zones
size=$((4 * $(less 3)))m

# queues, kind, smallest and largest block, capacity, limits
while read -r queues kind bs capacity limits; do
	name="$queues queues, $kind of $bs, capacity $capacity $limits"
	[ -n "$limits" ] && open=8 || open=0
	rm -f "$TMP/img"
	img=$(new_file img 0)
	# shellcheck disable=SC2086
	add_dev -t zoned --size 64M --zone-size 4M --zone-capacity "$capacity" \
		--nr-conv 2 --block-size 512 -q "$queues" $limits "$img"
	check "zoned: $name" timeout "$((120 * SCALE))" fio --name=verify --filename="$BDEV" \
		--ioengine=io_uring --direct=1 --rw="$kind" --bsrange="$bs" \
		--zonemode=zbd --iodepth=8 --numjobs="$queues" \
		--size="$size" --io_size="$size" \
		--offset=8m --offset_increment=12m \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 \
		--max_open_zones="$open" --minimal --output="$TMP/fio.out"
	check "$name: report" "$LIB_DIR/zone_tool" compare "$BDEV" "$img"
	del_dev || die "deleting device $DEV"
done < <(rows <<END
1 write 128k-128k 4M
1 randwrite 4k-4k 3M
1 randwrite 512-256k 4M
4 write 128k-128k 3M
4 randwrite 4k-4k 4M --max-open 8
4 randwrite 512-256k 3M --max-open 8 --max-active 8
END
)
finish
