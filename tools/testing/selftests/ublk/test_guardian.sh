#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# --hold-timeout on a driver that cannot bound how long IO is held: "ublk guardian" serves
# the device when no daemon has come in time, and fails its requests, until "ublk recover".
#
# runner: stock distro

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY
img=$(new_file img 16M)
add_dev -t loop -r --hold-timeout 3 "$img"
[ ! -e "/sys/class/ublk-char/ublkc$DEV/hold_timeout" ] || skip_all "the driver has hold_timeout"

lists() {
	"$UBLK" list -n "$DEV" | grep -qx -e "	$1"
}

# One for each device that is served, of this test.
guardians() {
	pgrep -x ublk-guardian | wc -l
}

guardians_are() {
	[ "$(guardians)" -eq "$1" ]
}

read_block() {
	dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
}

check "a guardian waits" busywait 5000 guardians_are 1
check "list prints the time" lists "hold timeout 3 s"
check "data" dd if=/dev/urandom of="$BDEV" bs=64k count=4 oflag=direct status=none
sum=$(dd if="$BDEV" bs=64k count=4 iflag=direct status=none | sha256sum)
guardian=$(pgrep -x ublk-guardian)
started=$(now_ms)
check "kill -9 of the daemon" kill_daemon
check "a read fails" not timeout "$((30 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
check "after the time" test "$(($(now_ms) - started))" -ge 3000
check "the device fails IO now" lists "max rq size [0-9]* daemon pid $guardian state FAIL_IO"
check "more fail, at once" not timeout "$((10 * SCALE))" dd if=/dev/zero of="$BDEV" bs=4k count=1 oflag=direct status=none
check "udev leaves it alone" "$UBLK" udev-held "ublkb$DEV"
check "a sync ends" timeout "$((10 * SCALE))" sync
check "recover" "$UBLK" recover -n "$DEV" --quiet
check "the guardian has left" ended "$guardian"
check "the disk is served" state_is "$DEV" LIVE
check "and has its data" test "$(dd if="$BDEV" bs=64k count=4 iflag=direct status=none | sha256sum)" = "$sum"
check "the time is the same" lists "hold timeout 3 s"
check "the next guardian waits" busywait 5000 guardians_are 1

guardian=$(pgrep -x ublk-guardian)
check "kill -9 of the next daemon" kill_daemon
check "recover in time" "$UBLK" recover -n "$DEV" --quiet
check "the old guardian ends" busywait 10000 ended "$guardian"
check "the disk is served" read_block
check "by one with a guardian" busywait 5000 guardians_are 1

check "kill -9 again" kill_daemon
check "its IO fails" not timeout "$((30 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
check "del" del_dev
check "ends the guardian" busywait 10000 guardians_are 0

add_dev -t null -r
check "also without the option" lists "hold timeout 300 s"
check "a guardian waits" busywait 5000 guardians_are 1
check "del" del_dev
check "ends it" busywait 10000 guardians_are 0
add_dev -t null -r --hold-timeout 0
check "not with 0" guardians_are 0
check "nor does list print one" not lists "hold timeout .*"
del_dev || die "deleting device $DEV"
add_dev -t null
check "nor for a device that cannot be recovered" guardians_are 0
del_dev || die "deleting device $DEV"
finish
