#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Requests that are longer than the disk below loop or stripe takes, or have more
# segments: up to four times as long, they are sent in pieces that io_uring can
# submit at once, so the queue's thread starts no worker of io_uring, and the data
# arrives.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require cmp fio module:null_blk

# The queue's threads of the daemon, then the workers of io_uring that they started.
no_workers() {
	local task tids=() workers=()

	for task in /proc/"$(pid_of "$DEV")"/task/*; do
		case $(<"$task/comm") in
		ublk*q*) tids+=("${task##*/}") ;;
		iou-wrk-*) workers+=("$(<"$task/comm")") ;;
		esac
	done
	[ "${#tids[@]}" -eq 1 ] || { echo "${#tids[@]} threads"; return 1; }
	[[ " ${workers[*]} " != *" iou-wrk-${tids[0]} "* ]] || { echo "${workers[*]}"; return 1; }
}

data_passes() {
	dd if="$TMP/data" of="$BDEV" bs=2M oflag=direct status=none &&
		dd if="$BDEV" bs=2M count=2 iflag=direct status=none | cmp - "$TMP/data"
}

head -c 4M /dev/urandom >"$TMP/data"
null_device ublk_back size=64 blocksize=512 hw_queue_depth=128 max_sectors=64
check "longest request below: 32 KiB" \
	prints 32 cat "/sys/block/${NULL#/dev/}/queue/max_sectors_kb"
while read -r options; do
	case $options in
	*zerocopy*)
		has_feature AUTO_BUF_REG || {
			skip "$options" "driver without AUTO_BUF_REG"
			continue
		}
		;;
	esac
	# shellcheck disable=SC2086
	add_dev -t loop -f "$NULL" --no-auto-part-scan --io-buf-size 128K $options
	check "${options:-default}: data" data_passes
	check "${options:-default}: no worker" no_workers
	check "${options:-default}: deleted" del_dev
done < <(rows <<END
--copy --no-batch-io
--copy
--zerocopy --no-batch-io
--zerocopy
END
)
check "it is on the disk below" cmp -n 4194304 "$TMP/data" "$NULL"
for opt in "" --no-passthrough; do
	# shellcheck disable=SC2086
	add_dev -t loop -f "$NULL" $opt
	check "${opt:-default}: random IO verifies" fio_verify "$BDEV" --bsrange=4k-512k \
		--iodepth=16 --size=16m
	check "${opt:-default}: device is deleted" del_dev
done

first=$NULL
null_device ublk_back2 size=64 blocksize=512 hw_queue_depth=128 max_sectors=64
add_dev -t stripe --chunk-size 128K "$first" "$NULL"
check "stripe: data" data_passes
check "stripe: no worker" no_workers
check "stripe: random IO verifies" fio_verify "$BDEV" --bsrange=4k-512k --iodepth=16 \
	--size=16m
check "stripe: deleted" del_dev

# Requests of 2 MiB, with as many segments as pages where memory is scattered.
null_device ublk_back3 size=64 blocksize=512 hw_queue_depth=128 max_sectors=4096
thp=/sys/kernel/mm/transparent_hugepage/enabled
if [ -e "$thp" ]; then
	defer sh -c "echo $(sed 's/.*\[\(.*\)\].*/\1/' "$thp") >$thp"
	echo never >"$thp"
fi
add_dev -t loop -f "$NULL" --no-passthrough
check "segments: data" data_passes
check "segments: no worker" no_workers
check "segments: deleted" del_dev
finish
