#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module can be unloaded when nothing uses it, and only then, also after a
# daemon was killed. Nothing loads it automatically.
#
# covers: L-63 L-79 F-10

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require modprobe rmmod
[ -e /sys/module/ublk_drv/refcnt ] || skip_all "ublk_drv is built in"
[ -z "$("$UBLK" list)" ] || skip_all "other ublk devices exist"

reload() {
	rmmod ublk_drv && [ ! -e /dev/ublk-control ] &&
		modprobe ublk_drv && [ -e /dev/ublk-control ]
}

many_reloads() {
	for _ in $(seq 20); do
		reload || return
	done
}

defer modprobe ublk_drv
check "no alias" prints "" modinfo -F alias ublk_drv
check "unload and load" reload
check "twenty times" many_reloads
add_dev -t null
check "refused while a daemon serves" not rmmod ublk_drv
check "the device still works" dd if="$BDEV" of=/dev/null bs=64k count=4 \
	iflag=direct status=none
pid=$(pid_of "$DEV")
check "kill the daemon" kill -9 "$pid"
check "unload works soon, dead devices included" busywait 5000 rmmod ublk_drv
check "the nodes are gone" not test -e "/dev/ublkc$DEV"
check "load again" modprobe ublk_drv
check "no device is left" test -z "$("$UBLK" list)"
add_dev -t null
check "a new device works" dd if="$BDEV" of=/dev/null bs=64k count=4 \
	iflag=direct status=none
check "device is deleted" del_dev
finish
