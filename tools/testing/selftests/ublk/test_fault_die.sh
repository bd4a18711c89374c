#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The target fault kills its daemon at the point that a rule names. Check what the
# file contains then, what result the writer gets, and that the disk can be
# recovered; with reissue the request is sent again to the next daemon.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY cmp

gone() {
	busywait 10000 state_is "$DEV" QUIESCED
}

recover() {
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" >/dev/null
}

# One direct request of 64 KiB
write_at() {
	timeout "$((30 * SCALE))" dd if="$TMP/data" of="$BDEV" bs=64k count=1 seek="$1" \
		oflag=direct status=none
}

# holds BLOCK BYTES: the file has so much of the data, followed by zeroes
holds() {
	cmp -n "$2" -i 0:$(($1 * 65536)) "$TMP/data" "$img" &&
		cmp -n $((65536 - $2)) -i 0:$(($1 * 65536 + $2)) "$TMP/zero" "$img"
}

head -c 65536 /dev/urandom >"$TMP/data"
truncate -s 64K "$TMP/zero"

# point, exit of dd, bytes in the file
while read -r point status bytes; do
	rm -f "$TMP/img"
	img=$(new_file img 4M)
	add_dev -t fault -r --no-auto-part-scan --rule "write:die=$point,nth=3" "$img"
	check "$point: first write" write_at 1
	check "$point: second write" write_at 2
	if [ "$status" -eq 0 ]; then
		check "$point: third write succeeds" write_at 3
	else
		check "$point: third write fails" not write_at 3
	fi
	check "$point: the daemon has exited" gone
	check "$point: the file has acknowledged data" holds 2 65536
	check "$point: and $bytes bytes of the third write" holds 3 "$bytes"
	check "$point: recover" recover
	check "$point: a write after it" write_at 4
	check "$point: the file has it" holds 4 65536
	check "$point: delete" del_dev
done <<END
submit 1 0
torn 1 32768
done 1 65536
commit 0 65536
END

# The request is sent again to the next daemon, which counts from 0 again.
rm -f "$TMP/img"
img=$(new_file img 4M)
add_dev -t fault -i --no-auto-part-scan --rule "write:die=torn,nth=2" "$img"
check "again: first write" write_at 1
write_at 2 &
writer=$!
check "again: the daemon has exited" gone
check "again: half of it is in the file" holds 2 32768
check "again: the writer waits" kill -0 "$writer"
check "again: recover" recover
check "again: the write succeeds" wait "$writer"
check "again: the file has the data" holds 2 65536
write_at 3 &
writer=$!
check "again: the next one kills the next daemon" gone
check "again: recover" recover
check "again: the third daemon completes it" wait "$writer"
check "again: delete" del_dev
finish
