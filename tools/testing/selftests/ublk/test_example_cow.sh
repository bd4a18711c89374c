#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example of a copy-on-write target: reads of the base pass, the first write of a
# block comes to the daemon, later ones pass. Servers are killed, and the power is cut
# behind any write to the store: what was durable is there, and no block is a mixture.
#
# covers: E-73 E-77 E-80 E-83
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS cc fio cmp module:null_blk
[ -e "$LIB_SRV/examples/cow.c" ] || skip_all "no examples here"
CUT=$LIB_DIR/powercut
[ -x "$CUT" ] || skip_all "no program powercut"
export UBLK_TARGET_DIR=$TMP
check "it compiles" compile_target cow "$LIB_SRV/examples/cow.c"

null_device ublk_cow_base size=16 blocksize=512
BASE=$NULL
null_device ublk_cow_store size=18 blocksize=512 cache_size=8
STORE=$NULL
"$CUT" fill "$BASE" || die "fill"
raw() {
	dd if="$1" bs=1M iflag=direct status=none "${@:2}"
}
raw "$BASE" >"$TMP/base"

write_at() {
	dd if=/dev/zero of="$BDEV" bs=4k count=1 seek="$1" oflag=direct status=none
}

add_dev -t cow --base "$BASE" --store "$STORE" -i
check "mode" mode_has passthrough
check "it is the base" cmp "$TMP/base" <(raw "$BDEV")
check "which passed" prints 0 served_requests
check "a write" write_at 5
check "was a request" prints 1 served_requests
check "the next one of its block" write_at 6
check "passed" prints 1 served_requests
check "the rest of the block is a copy" cmp -n 20480 "$TMP/base" <(raw "$BDEV")
check "the base is as it was" cmp "$TMP/base" <(raw "$BASE")
check "random IO verifies" fio_verify "$BDEV" --bsrange=4k-256k --iodepth=16 --size=8m \
	--fsync=32
raw "$BDEV" >"$TMP/now"
kill -9 "$(pid_of "$DEV")"
check "killed" busywait 10000 state_is "$DEV" QUIESCED
check "recovered" "$UBLK" recover -n "$DEV" --quiet
check "the data is there" cmp "$TMP/now" <(raw "$BDEV")
fio_verify "$BDEV" --bsrange=4k-128k --iodepth=16 --offset=8m --size=8m --time_based \
	--runtime="$(less 6)" &
fio=$!
for ((i = 0; i < 3; i++)); do
	pause 1
	kill -9 "$(pid_of "$DEV")"
	busywait 20000 state_is "$DEV" QUIESCED || break
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" >/dev/null || break
done
check "three servers were killed" test "$i" -eq 3
check "data verifies meanwhile" wait "$fio"
raw "$BDEV" >"$TMP/now"
check "device is deleted" del_dev
add_dev -t cow --base "$BASE" --store "$STORE"
check "the next one has the data" cmp "$TMP/now" <(raw "$BDEV")
check "device is deleted" del_dev
check "the base is as it was" cmp "$TMP/base" <(raw "$BASE")

# Power cuts.
if ! command -v dmsetup >/dev/null || ! modprobe -q dm-log-writes; then
	skip "power cuts" "no dm-log-writes"
	finish
	exit
fi
null_device ublk_cow_log size=128 blocksize=512
LOG=$NULL
null_device ublk_cow_cut size=18 blocksize=512
COPY=$NULL
dd if=/dev/zero of="$STORE" bs=1M count=18 oflag=direct status=none
echo "0 $(blockdev --getsz "$STORE") log-writes $STORE $LOG" |
	dmsetup create --noudevrules --noudevsync ublk-cut || die "no dm log-writes"
CUT_STORE=/dev/dm-$(dmsetup info -c --noheadings -o minor ublk-cut)
defer dmsetup remove --noudevrules --noudevsync --retry ublk-cut
busywait 5000 test -b "$CUT_STORE"

add_dev -t cow --base "$BASE" --store "$CUT_STORE"
check "the store of the log" mode_has passthrough
check "writes" "$CUT" write "$BDEV" ublk-cut "$TMP/notes" "$(less 400)"
check "some of them passed" test "$(served_requests)" -lt "$(grep -c '^b' "$TMP/notes")"
check "device is deleted" del_dev
dmsetup remove --noudevrules --noudevsync --retry ublk-cut
entries=$("$CUT" entries "$LOG")
say "$entries writes and flushes of the store, $(grep -c '^m' "$TMP/notes") marks"
check "the log has them" test "$entries" -gt 100

# The store as it was behind entry N of its log.
cut_at() {
	dd if=/dev/zero of="$COPY" bs=1M count=18 oflag=direct status=none &&
		"$CUT" replay "$LOG" "$COPY" "$1" || return
	add_dev -t cow --base "$BASE" --store "$COPY"
	"$CUT" check "$BDEV" "$LOG" "$TMP/notes" "$1"
	local ret=$?

	del_dev && return "$ret"
}
cuts=$(less 40)
for ((i = 0; i <= cuts; i++)); do
	at=$((entries * i / cuts))
	cut_at "$at" >"$TMP/cut" 2>&1 || break
done
sed 's/^/# /' "$TMP/cut"
check "$((cuts + 1)) power cuts" test "$i" -gt "$cuts"
check "the last one has everything" grep -q ", 0 not the last" "$TMP/cut"
finish
