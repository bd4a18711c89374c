#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The target fault kills its daemon at the point that a rule names: what is in
# the file then, what the writer is told, and that the disk can be recovered, or
# goes on by itself where requests are sent again.

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

# holds BLOCK BYTES: so much of the data is there in the file, then zeroes
holds() {
	cmp -n "$2" -i 0:$(($1 * 65536)) "$TMP/data" "$img" &&
		cmp -n $((65536 - $2)) -i 0:$(($1 * 65536 + $2)) "$TMP/zero" "$img"
}

head -c 65536 /dev/urandom >"$TMP/data"
truncate -s 64K "$TMP/zero"

# point, what dd says, bytes in the file
while read -r point status bytes; do
	rm -f "$TMP/img"
	img=$(new_file img 4M)
	add_dev -t fault -r --no-auto-part-scan --rule "write:die=$point,nth=3" "$img"
	check "$point: first write" write_at 1
	check "$point: second write" write_at 2
	if [ "$status" -eq 0 ]; then
		check "$point: the third one is told to be done" write_at 3
	else
		check "$point: the third one fails" not write_at 3
	fi
	check "$point: the daemon is gone" gone
	check "$point: what was acknowledged is there" holds 2 65536
	check "$point: of the third $bytes bytes" holds 3 "$bytes"
	check "$point: recover" recover
	check "$point: a write after it" write_at 4
	check "$point: is there" holds 4 65536
	check "$point: delete" del_dev
done <<END
submit 1 0
torn 1 32768
done 1 65536
commit 0 65536
END

# Sent again to the next daemon, whose count starts anew.
rm -f "$TMP/img"
img=$(new_file img 4M)
add_dev -t fault -i --no-auto-part-scan --rule "write:die=torn,nth=2" "$img"
check "again: first write" write_at 1
write_at 2 &
writer=$!
check "again: the daemon is gone" gone
check "again: half of it is in the file" holds 2 32768
check "again: the writer waits" kill -0 "$writer"
check "again: recover" recover
check "again: the writer is told that it is done" wait "$writer"
check "again: and so it is" holds 2 65536
write_at 3 &
writer=$!
check "again: the next one kills the next daemon" gone
check "again: recover" recover
check "again: and is done by the third" wait "$writer"
check "again: delete" del_dev
finish
