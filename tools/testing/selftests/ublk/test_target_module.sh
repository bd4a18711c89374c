#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A target in a file of its own, the example in the manual page of the library, serves a
# disk: descriptors that a target watches, on a real io_uring.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require cc fio
srv=$LIB_SRV
[ -e "$srv/man/libublk.3.rst" ] || skip_all "no manual pages here"
export UBLK_TARGET_DIR=$TMP

awk '/^EVENTS AND MODULES$/ { on = 1 } /^It is compiled/ { exit }
	on && (/^\t/ || /^$/) { sub(/^\t/, ""); print }' \
	"$srv/man/libublk.3.rst" >"$TMP/tick.c"
check "it compiles" compile_target tick "$TMP/tick.c"

verify() {
	fio --name=tick --filename="/dev/ublkb$DEV" --rw=randrw --bs=4k \
		--iodepth=16 --ioengine=io_uring --direct=1 --size=1M \
		--output="$TMP/fio" || { cat "$TMP/fio"; return 1; }
}

# With 20 ms a request one after another takes at least 100 * 10 ms.
by_the_clock() {
	local begin end

	begin=$(date +%s%N)
	dd if="/dev/ublkb$DEV" of=/dev/null bs=4k count=100 iflag=direct status=none
	end=$(date +%s%N)
	[ $(((end - begin) / 1000000)) -ge 1000 ] || {
		echo "$(((end - begin) / 1000000)) ms"
		return 1
	}
}

for args in "--ms 5" "--ms 5 --batch-io" "--ms 5 --usercopy" "--ms 5 -q 2"; do
	# shellcheck disable=SC2086 # words
	try_add -t tick $args || { skip "$args" "not with this driver"; continue; }
	check "$args: requests" verify
	check "$args: del" del_dev
done
add_dev -t tick --ms 20
check "it answers by its clock" by_the_clock
check "list names it" grep -q tick <("$UBLK" list -n "$DEV")
check "del" del_dev
finish
