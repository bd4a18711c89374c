#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk stop" with and without --if-unused, and "ublk del --async".
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:SAFE_STOP_DEV

stopped() {
	state_is "$DEV" DEAD && [ ! -e "$BDEV" ] && [ -e "/dev/ublkc$DEV" ]
}

# The words of the failure, in one line.
refused() {
	timeout "$((20 * SCALE))" "$UBLK" stop -n "$DEV" --if-unused 2>"$TMP/err" && return 1
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] && grep -q 'in use' "$TMP/err"
}

for option in "" --if-unused; do
	what=${option:-plain}
	stop=("$UBLK" stop)
	[ -z "$option" ] || stop+=("$option")
	# Whoever reads the partition table has the disk in use.
	add_dev -t null --no-auto-part-scan
	pid=$(pid_of "$DEV")
	check "$what: stopped" timeout "$((20 * SCALE))" "${stop[@]}" -n "$DEV"
	check "$what: the daemon is gone" ended "$pid"
	check "$what: the device stays, without a disk" stopped
	check "$what: no record is left" not test -e "/run/ublk/$DEV.json"
	check "$what: again" timeout "$((20 * SCALE))" "${stop[@]}" -n "$DEV"
	check "$what: deleted" del_dev
	check "$what: no such device" not "${stop[@]}" -n "$DEV"
done

add_dev -t null
exec 9<"$BDEV"
check "--if-unused: refused while it is open" refused
check "it still works" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
check "plain: stopped although it is open" timeout "$((20 * SCALE))" "$UBLK" stop -n "$DEV"
check "it has no disk" stopped
exec 9<&-
check "deleted" del_dev

add_dev -t null
pid=$(pid_of "$DEV")
exec 9<"$BDEV"
check "--async: returns although the disk is open" timeout "$((10 * SCALE))" "$UBLK" del -n "$DEV" --async
check "the disk is gone" busywait 5000 not test -e "$BDEV"
check "the daemon is gone" busywait 5000 ended "$pid"
exec 9<&-
check "and the device, when it is closed" busywait 10000 not test -e "/dev/ublkc$DEV"
# The number is free a little after the node has been removed, as io_uring
# releases its files in a worker.
check "no such device" busywait 5000 not "$UBLK" del -n "$DEV" --async

add_dev -t null
first=$DEV
add_dev -t null -r
check "--async -a" timeout "$((20 * SCALE))" "$UBLK" del -a --async
for i in "$first" "$DEV"; do
	check "device $i is gone" busywait 10000 not test -e "/dev/ublkc$i"
	check "its record too" busywait 5000 not test -e "/run/ublk/$i.json"
done
finish
