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

	for batch in $(batch_options); do
		add_dev -t loop -f "$file" -q 2 -d 32 --no-passthrough "$batch"
		check "$what $batch: mode" mode_has redirect
		check "$what $batch: random IO verifies" verify
		check "$what $batch: the driver served it" redirected
		check "$what $batch: FUA and flush" verify --fsync=8 --sync=1 \
			--size=4m --bsrange=4k-4k
		check "$what $batch: device is deleted" del_dev
	done
}

# A sparse file on a null_blk device: FS
test_file() {
	mkdir -p "$TMP/$1"
	mkfs."$1" -q "$NULL" || die "mkfs.$1"
	mount "$NULL" "$TMP/$1" || die "mount"
	defer umount "$TMP/$1"
	truncate -s 32M "$TMP/$1/sparse"
	test_store "sparse file on $1" "$TMP/$1/sparse"
}

# The end comes from a timer's interrupt.
null_device ublk_irq size=64 blocksize=512 irqmode=2 hw_queue_depth=4
test_store "block device with interrupts" "$NULL"
null_device ublk_back size=64 blocksize=4096 discard=1 hw_queue_depth=4
test_store "block device" "$NULL"
test_file ext4
if command -v mkfs.xfs >/dev/null; then
	null_device ublk_xfs size=400 blocksize=4096 discard=1
	test_file xfs
else
	skip "sparse file on xfs" "no mkfs.xfs"
fi

add_dev -t loop -f "$TMP/ext4/sparse" --no-redirect
check "--no-redirect" not mode_has redirect
clear_trace
check "random IO verifies without it" verify
check "the daemon served it" not redirected
check "device is deleted" del_dev
finish
