#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The driver serves requests of the loop target from a block device and from files.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:REDIRECT fio mkfs.ext4 blockdev module:null_blk

# The driver has redirected that many requests since the trace was cleared.
TRACE=/sys/kernel/tracing
[ -d "$TRACE/events/ublk" ] || skip_all "no tracepoints"
echo 1 >"$TRACE/events/ublk/ublk_redirect/enable"
defer sh -c "echo 0 >$TRACE/events/ublk/ublk_redirect/enable"

clear_trace() {
	: >"$TRACE/trace"
}

redirected() {
	grep -q ' ublk_redirect: ' "$TRACE/trace"
}

verify() {
	clear_trace
	fio_verify "$BDEV" --bsrange=4k-256k --iodepth=32 --size=16m "$@"
}

# One store in each mode of commands.
test_store() {
	local what=$1 file=$2 batch

	for batch in --batch-io --no-batch-io; do
		add_dev -t loop -f "$file" -q 2 -d 32 $batch
		check "$what $batch: mode" mode_has redirect
		check "$what $batch: random IO verifies" verify
		check "$what $batch: the driver served it" redirected
		check "$what $batch: FUA and flush" verify --fsync=8 --sync=1 \
			--size=4m --bsrange=4k-4k
		check "$what $batch: device is deleted" del_dev
	done
}

null_device ublk_back size=64 blocksize=4096 discard=1 hw_queue_depth=4
test_store "block device" "$NULL"

mkdir "$TMP/mnt"
mkfs.ext4 -q "$NULL" || die "mkfs"
mount "$NULL" "$TMP/mnt" || die "mount"
defer umount "$TMP/mnt"
truncate -s 32M "$TMP/mnt/sparse"
test_store "sparse file" "$TMP/mnt/sparse"

add_dev -t loop -f "$TMP/mnt/sparse" --no-redirect
check "--no-redirect" not mode_has redirect
clear_trace
check "random IO verifies without it" verify
check "the daemon served it" not redirected
check "device is deleted" del_dev
finish
