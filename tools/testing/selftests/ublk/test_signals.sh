#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SIGTERM and SIGINT to a daemon stop and delete its device; SIGHUP does not.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require

for signal in TERM INT; do
	add_dev -t null
	pid=$(pid_of "$DEV")
	check "$signal: sent" kill "-$signal" "$pid"
	check "$signal: the process ends" busywait 10000 not kill -0 "$pid"
	check "$signal: the device is gone" busywait 5000 not test -e "/dev/ublkc$DEV"
	check "$signal: the disk is gone" not test -e "$BDEV"
done

add_dev -t null
pid=$(pid_of "$DEV")
check "HUP: sent" kill -HUP "$pid"
check "HUP: the daemon goes on" dd if="$BDEV" of=/dev/null bs=64k count=4 \
	iflag=direct status=none
check "HUP: same process" prints "$pid" pid_of "$DEV"

# A disk in use is let go as well, and the daemon ends.
exec 9<"$BDEV"
check "TERM with the disk open: sent" kill -TERM "$pid"
check "the disk is removed" busywait 10000 not test -e "$BDEV"
exec 9<&-
check "the process ends" busywait 10000 not kill -0 "$pid"
check "the device is gone" busywait 10000 not test -e "/dev/ublkc$DEV"
finish
