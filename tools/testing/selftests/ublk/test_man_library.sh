#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The example in the manual page of the library compiles without a warning and serves a
# disk, until a signal or until "ublk del".
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require cc
srv=$LIB_SRV
[ -e "$srv/lib/libublk.so.0" ] || skip_all "no library here"

awk '/^EXAMPLE$/ { on = 1 } /^DESCRIPTION$/ { exit } on && (/^\t/ || /^$/) {
	sub(/^\t/, ""); print }' "$srv/man/libublk.3.rst" >"$TMP/server.c"
check "it compiles" cc -Wall -Wextra -Werror -I"$srv/include" -o "$TMP/server" \
	"$TMP/server.c" -Wl,-rpath,"$srv/lib" "$srv/lib/libublk.so.0"

start() {
	: >"$TMP/node"
	"$TMP/server" >"$TMP/node" 2>"$TMP/err" &
	pid=$!
	busywait 10000 test -s "$TMP/node" || { cat "$TMP/err"; return 1; }
	node=$(cat "$TMP/node")
	DEV=${node#/dev/ublkb}
	LIB_DEVS+=("$DEV")
	busywait 5000 test -b "$node"
}

check "it serves" start
check "a disk of 64 MiB" prints 67108864 blockdev --getsize64 "$node"
check "of zeroes" cmp -n 67108864 "$node" /dev/zero
check "that can be written" dd if=/dev/zero of="$node" bs=1M count=4 oflag=direct status=none
kill "$pid"
check "a signal ends it" wait "$pid"
check "and deletes the device" busywait 5000 not test -e "/dev/ublkc$DEV"
check "it serves again" start
check "del deletes the device" del_dev
check "and that ends it" wait "$pid"
finish
