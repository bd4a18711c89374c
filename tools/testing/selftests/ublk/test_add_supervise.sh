#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk add --supervise": a supervisor without a service manager, for a device that is not
# declared. It replaces daemons that die, is replaced itself, and ends with the device.
# "ublk serve" takes any device that can be recovered.
#
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio feature:QUIESCE
img=$(new_file img 32M)

supervisor() {
	"$UBLK" list -n "$DEV" | sed -n 's/^	supervisor pid //p'
}

hold() {
	"$UBLK" list -n "$DEV" | sed -n 's/^	hold timeout //p'
}

supervised() {
	[ -n "$(supervisor)" ]
}

check "needs a device that can be recovered" fails 2 supervise user-recovery -- "$UBLK" add --supervise "$img"
check "not in the foreground" fails 2 supervise foreground -- "$UBLK" add -i --supervise --foreground "$img"
add_dev -i -n 5 --supervise "$img"
pid=$(pid_of "$DEV")
boss=$(supervisor)
check "it is listed" grep -qx "	supervisor pid $boss" "$TMP/add.out"
check "and in --json" sh -c "'$UBLK' list -n $DEV --json | grep -q '\"supervisor\": $boss'"
check "it is another process" test "$boss" != "$pid"
check "IO is held without a bound" prints "" hold
check "it belongs to nobody's terminal" test "$(readlink "/proc/$boss/fd/2")" = /dev/null
check "a second one is refused" fails 7 supervised "$boss" -- "$UBLK" serve "$DEV"
check "kill -9 of the supervisor" kill -9 "$boss"
check "is seen" busywait 5000 not supervised
check "the disk is served" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
"$UBLK" serve "$DEV" 2>"$TMP/log" &
boss=$!
check "serve takes the device" busywait 20000 supervised
check "is that process" prints "$boss" supervisor
fio_until_enough &
fio=$!
for i in $(seq "$(less 4)"); do
	check "kill -9 of the daemon" kill -9 "$pid"
	check "the next one" busywait 30000 served_by_another
done
check "IO goes on" kill -0 "$fio"
touch "$TMP/enough"
wait "$fio"
check "without an error, and with the right data" test $? -eq 0
check "del" del_dev
wait "$boss"
check "ends the supervisor with status 0" test $? -eq 0

# What ends without being deleted.
add_dev -e --supervise "$img"
boss=$(supervisor)
check "IO fails meanwhile: also with -e" test -n "$boss"
check "stop" "$UBLK" stop -n "$DEV"
check "ends the supervisor" busywait 20000 ended "$boss"
check "and the device is left" state_is "$DEV" DEAD
del_dev || die "deleting device $DEV"

# Without a supervisor.
add_dev -i "$img"
if [ -e "/sys/class/ublk-char/ublkc$DEV/hold_timeout" ]; then
	check "without a supervisor IO is held for a time" prints "300 s" hold
	del_dev || die "deleting device $DEV"
	add_dev -i 1 "$img"
	check "with the words of ublksrv without end" prints "" hold
	del_dev || die "deleting device $DEV"
	add_dev -r --hold-timeout 0 "$img"
	check "and with a bound of 0" prints "" hold
fi
check "serve --dry-run" "$UBLK" serve "$DEV" --dry-run
check "starts nothing" prints "" supervisor
del_dev || die "deleting device $DEV"
add_dev -t null
check "serve of one that cannot be recovered" fails 1 "dev $DEV" recovered user-recovery -- "$UBLK" serve "$DEV"
del_dev || die "deleting device $DEV"
check "serve of one that does not exist" fails 3 "dev $DEV" -- "$UBLK" serve "$DEV"
finish
