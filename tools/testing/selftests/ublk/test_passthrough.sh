#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loop target on a block device: when IO passes to it, what rules that out, and
# that only what has to be a request becomes one. Recovery, a resize, a part of the
# device.
#
# covers: E-61 E-80
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS fio cmp blockdev dmsetup module:null_blk module:dm_mod

null_device ublk_pass size=64 blocksize=512 discard=1

# Reads, writes and others that the daemon had: IO that passes is not counted.
requests() {
	"$UBLK" stat "$DEV" | awk '$1 == "all" || $1 == "0" { n = $2 + $3 + $4 } END { print n }'
}

# None came since the last call of "mark".
mark() {
	had=$(requests)
}
none_came() {
	[ "$(requests)" -eq "$had" ] || { echo "$had, now $(requests)"; return 1; }
}

verify() {
	mark
	fio_verify "$BDEV" --bsrange=4k-128k --iodepth=16 --size=8m "$@"
}

# Of one backing at one place: SKIP in MiB.
on_backing() {
	dd if="$1" bs=1M count=1 skip="$2" iflag=direct status=none | cmp - "$TMP/data"
}
write_at() {
	dd if="$TMP/data" of="$BDEV" bs=1M count=1 seek="$1" oflag=direct status=none
}
head -c 1M /dev/urandom >"$TMP/data"

add_dev -t loop -f "$NULL" -r -q 2
check "by default on a block device" mode_has passthrough
check "data verifies" verify
check "no request came" none_came
check "a write arrives" write_at 40
check "it is there" on_backing "$NULL" 40
check "a discard passes" blkdiscard -o 40M -l 1M "$BDEV"
check "no request came" none_came
check "the range reads zeroes" cmp -n 1048576 -i 41943040:0 "$BDEV" /dev/zero
kill -9 "$(pid_of "$DEV")"
check "killed" busywait 10000 state_is "$DEV" QUIESCED
check "recovered" "$UBLK" recover -n "$DEV" --quiet
check "it has the mode" mode_has passthrough
check "data verifies" verify
check "no request came" none_came
check "device is deleted" del_dev

add_dev -t loop -f "$NULL" --offset 8M --size 16M
check "a part of the device" mode_has passthrough
check "has its size" prints 16777216 blockdev --getsize64 "$BDEV"
mark
check "a write arrives" write_at 3
check "behind the offset" on_backing "$NULL" 11
check "no request came" none_came
check "what is behind it is not written" not write_at 16
check "device is deleted" del_dev

# Options that say in which way requests are served, or with which IO cannot pass.
while read -r options; do
	# shellcheck disable=SC2086
	add_dev -t loop -f "$NULL" $options
	check "$options: nothing passes" not mode_has passthrough
	check "$options: no second disk" test ! -e "/sys/block/ublkh$DEV"
	del_dev || die "deleting device $DEV"
done < <(rows <<END
--no-passthrough
--copy
--zerocopy
--usercopy
--redirect
--no-redirect
--need_get_data
--read-only
--shared
--buffered-io
END
)
add_dev -t loop -f "$(new_file img 16M)"
check "a regular file: nothing passes" not mode_has passthrough
check "device is deleted" del_dev

refused() {
	local why=$1 err

	shift
	err=$("$UBLK" add "$@" --passthrough 2>&1 >/dev/null) && return 1
	[[ $err == *passthrough*"$why"* ]] || { echo "$err"; return 1; }
}
check "refused for a file" refused "does not say where" -t loop -f "$TMP/img"
check "refused with --read-only" refused "does not say where" -t loop -f "$NULL" --read-only
check "both options" refused no-passthrough -t loop -f "$NULL" --no-passthrough
add_dev -t loop -f "$NULL" --passthrough --copy
check "asked for, with copy for the rest" mode_has "copy.*passthrough"
check "device is deleted" del_dev

# The backing grows: what is new is served by the daemon, and passes after a recovery.
table() {
	echo "0 $1 linear $NULL 0"
}
table 32768 | dmsetup create --noudevrules --noudevsync ublk-pass || skip_all "no dm linear"
STORE=/dev/dm-$(dmsetup info -c --noheadings -o minor ublk-pass)
defer dmsetup remove --noudevrules --noudevsync --retry ublk-pass
busywait 5000 test -b "$STORE"
add_dev -t loop -f "$STORE" -r
check "made smaller" "$UBLK" resize -n "$DEV" -s 8M
check "enlarged again" "$UBLK" resize -n "$DEV" -s 16M
mark
check "a write arrives" write_at 12
check "on the backing" on_backing "$NULL" 12
check "no request came" none_came
dmsetup suspend --noudevsync ublk-pass
table 65536 | dmsetup load ublk-pass
dmsetup resume --noudevrules --noudevsync ublk-pass
check "enlarged" "$UBLK" resize -n "$DEV" -s 32M
check "a write arrives" write_at 24
check "on the backing" on_backing "$NULL" 24
check "as a request" not none_came
kill -9 "$(pid_of "$DEV")"
check "killed" busywait 10000 state_is "$DEV" QUIESCED
check "recovered" "$UBLK" recover -n "$DEV" --quiet
mark
check "a write arrives" write_at 25
check "on the backing" on_backing "$NULL" 25
check "no request came" none_came
check "device is deleted" del_dev
finish
