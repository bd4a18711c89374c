#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Reset zones while they are written. In whatever order that happens, the zone has
# the written data before its write pointer, zeroes after it, and the report
# matches the file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:ZONED blkzone cmp
[ -x "$LIB_DIR/zone_tool" ] || skip_all "zone_tool is not built"

zone=8192	# sectors

# Sectors from the zone's start to its write pointer
wp_of() {
	blkzone report -o "$(($1 * zone))" -c 1 "$BDEV" |
		sed -n 's/.*wptr 0x\([0-9a-f]*\).*/\1/p'
}

# Ones before the pointer, zeroes after it.
clean_zone() {
	local wp=$((16#$(wp_of "$1") * 512)) at=$(($1 * zone * 512))
	local left=$((zone * 512 - wp))

	echo "zone $1, pointer at $wp"
	[ "$wp" -eq 0 ] || cmp -n "$wp" -i "0:$at" "$TMP/ones" "$BDEV" || return
	[ "$left" -eq 0 ] || cmp -n "$left" -i "0:$((at + wp))" /dev/zero "$BDEV"
}

race() {
	local i

	for i in 2 3; do
		dd if="$TMP/ones" of="$BDEV" bs=256k count=16 oflag=direct \
			seek=$((i * 16)) status=none 2>/dev/null &
	done
	for i in 1 2 3 4; do
		"$@" || return
	done
	wait
	clean_zone 2 && clean_zone 3
}

tr '\0' '\377' </dev/zero | head -c 4M >"$TMP/ones"
img=$(new_file img 0)
add_dev -t zoned --size 32M --zone-size 4M --nr-conv 1 -q 2 "$img"
for round in $(seq "$(less 6)"); do
	check "round $round: reset both" race blkzone reset -o $((2 * zone)) -c 2 "$BDEV"
	check "round $round: reset all" race blkzone reset "$BDEV"
	check "round $round: report" "$LIB_DIR/zone_tool" compare "$BDEV" "$img"
done
finish
