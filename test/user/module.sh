#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2329 # check() calls the functions
#
# Targets in files of their own: what the program loads, and what it refuses. KTAP.
# Needs no driver: UBLK_PROG names the program. The module is the example in the manual
# page of the library; a disk of it is in the selftest test_target_module.sh.

set -u
cd "$(dirname -- "$0")/../.." || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-module.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
: "${CC:=cc}"

echo "KTAP version 1"
if [ ! -x "${UBLK_PROG:-}" ]; then
	echo "1..0 # SKIP no UBLK_PROG"
	exit 4
fi
export UBLK_TARGET_DIR=$tmp
# shellcheck source=test/checks.sh
. test/checks.sh

example() {
	awk '/^EVENTS AND MODULES$/ { on = 1 } /^It is compiled/ { exit }
		on && (/^\t/ || /^$/) { sub(/^\t/, ""); print }' \
		ublksrv/man/libublk.3.rst >"$tmp/tick.c"
	[ -s "$tmp/tick.c" ]
}

# build NAME [FLAG...]
build() {
	local name=$1

	shift
	"$CC" -Wall -Wextra -Werror -shared -fPIC -Iublksrv/include \
		-o "$tmp/ublk-target-$name.so" "$tmp/tick.c" "$@"
}

# says STATUS TEXT ARG...: the program ends with that status, and says that.
says() {
	local status=$1 text=$2 got

	shift 2
	"$UBLK_PROG" "$@" >"$tmp/out" 2>&1
	got=$?
	[ "$got" -eq "$status" ] && grep -qF -- "$text" "$tmp/out" && return
	echo "status $got, not $status with \"$text\":"
	cat "$tmp/out"
	return 1
}

# The functions of the library, all and no others, are exported by the program.
exports() {
	nm -D --defined-only "$UBLK_PROG" | awk '$3 ~ /^ublk_/ { print $3 }' |
		sort >"$tmp/exported"
	sed -n 's/^\t\t\(ublk_[a-z0-9_]*\);$/\1/p' ublksrv/lib/libublk.map |
		sort | diff - "$tmp/exported"
}

other_version() {
	sed 's/{ UBLK_VERSION,/{ "0.0.9",/' "$tmp/tick.c" >"$tmp/old.c" &&
		"$CC" -shared -fPIC -Iublksrv/include \
			-o "$tmp/ublk-target-old.so" "$tmp/old.c"
}

linked() {
	build linked -Wl,--no-as-needed "$PWD/ublksrv/lib/libublk.so.0" \
		-Wl,-rpath,"$PWD/ublksrv/lib"
}

check "the example is there" example
check "it compiles" build tick
check "the program exports the library" exports
check "help lists it" says 0 "tick" help
check "help shows its options" says 0 "--ms N" help -t tick
check "help as JSON" says 0 '"installed": true' help --json
check "a wrong option of it" says 2 "frob" add -t tick --frob 1
check "a wrong value of it" says 2 "900" add -t tick --ms 1000
check "another name in the file" build other
check "is refused" says 2 "has no target \"other\"" add -t other
check "another version" other_version
check "is refused" says 2 "is of version 0.0.9" add -t old
check "a second library" linked
check "is refused" says 2 "libublk of its own" add -t linked
echo junk >"$tmp/ublk-target-junk.so"
check "a file that is no module" says 2 "junk" add -t junk
check "one that is not installed" says 2 "package ublk-nbd" add -t nbd
check "help says so" says 0 "not installed: package ublk-nbd" help
check "no such target" says 2 "unknown target" add -t nosuch
check "a path is no name" says 2 "unknown target" add -t ../tick
check "a misspelt name" says 2 'did you mean "nbd"' add -t nbx
checks_end
