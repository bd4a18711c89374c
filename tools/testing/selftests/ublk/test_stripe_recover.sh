#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk recover" replaces a killed daemon of a striped disk with only the run-state
# file: it has the order of the members and the chunk size. Held IO continues, and
# with --user-recovery-reissue a verifying writer sees no error.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY fio cmp

recover() {
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV"
}

writes_to() {
	[ "$(awk '{ print $5 }' "/sys/block/ublkb$DEV/stat")" -gt "$1" ]
}

# An order that is neither that of the names nor that of their creation.
files=("$(new_file b 8M)" "$(new_file c 8M)" "$(new_file a 9M)")
dd if=/dev/urandom of="$TMP/data" bs=1M count=24 status=none
add_dev -t stripe --chunk-size 32K -r "${files[@]}"
check "write" dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "kill" kill_daemon
timeout "$((30 * SCALE))" dd if="$BDEV" of="$TMP/back" bs=1M iflag=direct status=none &
reader=$!
check "a read is held" busywait 5000 waiting
check "recover" recover
check "list shows the members in order" grep -q "b\",\".*/c\",\".*/a\"" \
	<("$UBLK" list -n "$DEV")
check "and the chunk" grep -q "chunk-size=32768" <("$UBLK" list -n "$DEV")
check "the held read ends" wait "$reader"
check "with what was written" cmp "$TMP/data" "$TMP/back"
check "kill the second one" kill_daemon
check "recover again" recover
check "same contents" cmp "$TMP/data" "$BDEV"
check "kill the third one" kill_daemon
mv "$TMP/c" "$TMP/away"
check "not without a member" not recover
mv "$TMP/away" "$TMP/c"
check "with all of them" recover
check "same contents again" cmp "$TMP/data" "$BDEV"
check "delete" del_dev

add_dev -t stripe --chunk-size 4K -i -q 2 "${files[@]}"
timeout "$((120 * SCALE))" fio --name=verify --filename="$BDEV" --ioengine=io_uring --direct=1 \
	--rw=randwrite --bsrange=512-64k --iodepth=16 \
	--size=24m --io_size=24m --verify=crc32c --verify_fatal=1 \
	--verify_state_save=0 --minimal >"$TMP/fio.out" 2>&1 &
writer=$!
for round in 1 2 3; do
	check "round $round: the writer writes" busywait 20000 writes_to $((round * 50))
	check "round $round: kill" kill_daemon
	check "round $round: recover" recover
done
check "the writer has verified all" wait "$writer"
finish
