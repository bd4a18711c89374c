#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A disk in memory: parts that are unwritten, discarded or zeroed read as zeroes,
# even if they are not whole pages, and their memory is freed. As the contents end
# with the daemon, recovery is refused.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require blkdiscard cmp

rss_kb() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$(pid_of "$DEV")/status"
}

grown_by() {
	echo "resident: $base KiB, now $(rss_kb) KiB"
	[ "$(($(rss_kb) - base))" -ge "$1" ] && [ "$(($(rss_kb) - base))" -le "$2" ]
}

# The disk has the same contents as the copy in $TMP/want.
same() {
	cmp "$TMP/want" <(dd if="$BDEV" bs=1M iflag=direct status=none)
}

# zero_in_copy OFFSET LENGTH
zero_in_copy() {
	dd if=/dev/zero of="$TMP/want" bs=512 seek="$(($1 / 512))" \
		count="$(($2 / 512))" conv=notrunc status=none
}

truncate -s 16M "$TMP/want"
add_dev -t mem --size 16M -d 2
base=$(rss_kb)
check "a new disk is all zeroes" same
check "which takes no memory" grown_by -1000 3000
dd if=/dev/urandom of="$TMP/want" bs=1M count=16 conv=notrunc status=none
check "fill it" dd if="$TMP/want" of="$BDEV" bs=1M oflag=direct status=none
check "it holds what was written" same
check "in memory" grown_by 16000 20000
while read -r how offset length; do
	check "$how $length bytes at $offset" blkdiscard "$how" -o "$offset" -l "$length" "$BDEV"
	zero_in_copy "$offset" "$length"
	check "they are zero, nothing else is" same
done <<END
-z 512 512
-z 1536 4096
-z 65536 4096
-z 69120 1049600
-z 4096 512
-v 4194304 4194304
-v 10485760 65536
END
check "memory was freed" grown_by 11000 14500
check "discard everything" blkdiscard "$BDEV"
truncate -s 0 "$TMP/want"
truncate -s 16M "$TMP/want"
check "all of it is zero" same
check "all memory was freed" grown_by -1000 3000
check "flush" dd if=/dev/zero of="$BDEV" bs=4k count=1 conv=fsync status=none
check "delete" del_dev
check "no recovery" not timeout "$((30 * SCALE))" "$UBLK" add -t mem -r 2>"$TMP/err"
check "the smallest disk" try_add -t mem --size 512
check "has one sector" prints 1 blockdev --getsz "$BDEV"
check "a huge disk" try_add -t mem --size 32T
check "can be written at its end" dd if=/dev/urandom of="$BDEV" bs=4k count=1 \
	seek=$(((32 << 40) / 4096 - 1)) oflag=direct status=none
finish
