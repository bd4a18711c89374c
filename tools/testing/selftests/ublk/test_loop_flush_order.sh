#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A flush of the ublk disk becomes a flush of the backing store, after earlier
# writes; the data of a FUA write reaches stable storage. The test watches block
# layer events of a null_blk device with a volatile cache.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require module:null_blk

tracing=/sys/kernel/tracing
[ -d "$tracing/events" ] || mount -t tracefs tracefs "$tracing" 2>/dev/null
[ -e "$tracing/events/block/block_rq_issue/enable" ] ||
	skip_all "kernel without block_rq_issue events"
null_device ublk_flush size=256 cache_size=8

# Events of the backing device only: "FLAGS SECTORS" per line, as in "WS 8".
trace() {
	local dev
	dev=$((0x$(stat -c %t "$NULL") << 20 | 0x$(stat -c %T "$NULL")))

	echo "dev == $dev" >"$tracing/events/block/block_rq_issue/filter"
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/block/block_rq_issue/enable"
	"$@" 2>"$TMP/dd.err"
	status=$?
	echo 0 >"$tracing/events/block/block_rq_issue/enable"
	sed -n 's/.*block_rq_issue: [0-9]*,[0-9]* \([A-Z]*\) .*/\1/p' \
		"$tracing/trace" >"$TMP/events"
	return "$status"
}
defer sh -c "echo 0 >$tracing/events/block/block_rq_issue/enable;
	echo 0 >$tracing/events/block/block_rq_issue/filter"

# The last event is a flush after a write.
flush_is_last() {
	cat "$TMP/events"
	tail -n 1 "$TMP/events" | grep -q '^F' &&
		grep -q '^W' "$TMP/events"
}

# A FUA write, or a write followed by a flush.
write_is_durable() {
	cat "$TMP/events"
	grep -Eq '^W[A-Z]*F' "$TMP/events" || flush_is_last
}

no_flush() {
	cat "$TMP/events"
	grep -q '^W' "$TMP/events" && ! grep -q F "$TMP/events"
}

write() {
	dd if=/dev/urandom of="$BDEV" bs=4k count=1 status=none "$@"
}

# Where the driver has it, the first one is with passthrough.
no_passthrough=
! has_feature EXTENTS || no_passthrough=--no-passthrough
for opt in "" $no_passthrough --buffered-io; do
	# Reads of other processes would be among the events.
	# shellcheck disable=SC2086
	add_dev -t loop -f "$NULL" --no-auto-part-scan $opt
	mode=${opt:-direct}
	if [ "$opt" != --buffered-io ]; then
		check "$mode: plain write" trace write oflag=direct
		check "$mode: it is no flush" no_flush
	fi
	check "$mode: write and fsync" trace write oflag=direct conv=fsync
	check "$mode: the flush arrives after the write" flush_is_last
	check "$mode: FUA write" trace write oflag=direct,dsync
	check "$mode: it is durable when it completes" write_is_durable
	check "$mode: device is deleted" del_dev
done
finish
