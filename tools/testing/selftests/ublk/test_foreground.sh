#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ublk add --foreground serves from the process itself.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require

"$UBLK" add -t null -n 7 --foreground >"$TMP/out" 2>"$TMP/err" &
pid=$!
LIB_DEVS+=(7)
check "the disk appears" busywait 10000 test -b /dev/ublkb7
check "the process is the server" busywait 5000 prints "$pid" pid_of 7
check "it prints the device" busywait 5000 grep -q '^dev id 7:' "$TMP/out"
check "it does IO" dd if=/dev/ublkb7 of=/dev/null bs=64k count=4 iflag=direct \
	status=none
check "SIGTERM is sent" kill -TERM "$pid"
wait "$pid"
check "exit status 0" test $? -eq 0
check "the device is gone" not test -e /dev/ublkc7
check "no message" test ! -s "$TMP/err"

"$UBLK" add -t null -n 7 --foreground --quiet >"$TMP/out" 2>"$TMP/err" &
pid=$!
# The daemon writes its record last.
check "it serves again" busywait 10000 test -s /run/ublk/7.json
check "deleted from elsewhere" del_dev 7
wait "$pid"
check "exit status 0 again" test $? -eq 0
check "--quiet prints nothing" test ! -s "$TMP/out"
finish
