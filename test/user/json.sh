#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2086,SC2317,SC2329 # lines of words; check() calls the function
#
# What the program prints with --json is one document of ublksrv/etc/ublk.schema.json,
# whether the command succeeds or fails, and a failure has its one line on standard
# error as well. KTAP. Needs no driver: UBLK_PROG names the program. Commands that
# find devices are in the selftest test_json.sh.

set -u
cd "$(dirname -- "$0")/../.." || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-json.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

echo "KTAP version 1"
if [ ! -x "${UBLK_PROG:-}" ] || ! command -v python3 >/dev/null; then
	echo "1..0 # SKIP no UBLK_PROG, or no python3"
	exit 4
fi
export UBLK_CONF_DIR=$tmp
# shellcheck source=test/checks.sh
. test/checks.sh

# Nothing here loads a driver into this machine's kernel: root needs a capability
# for that.
without=()
[ "$(id -u)" -ne 0 ] || without=(setpriv --bounding-set=-sys_module)

valid() {
	local status

	"${without[@]}" "$UBLK_PROG" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	cat "$tmp/err"
	[ "$(wc -l <"$tmp/err")" -eq $((status != 0)) ] || {
		echo "status $status, not one line on standard error"
		return 1
	}
	tools/testing/selftests/ublk/json_schema.py \
		ublksrv/etc/ublk.schema.json "$status" <"$tmp/out"
}

while read -r line; do
	check "$line" valid $line
done <<'LINES'
version --json
help --json
help add --json
help -t zoned --json
help frob --json
lsit --json
add --json
add -t null --json -q 0
add --json --frob
add -t null --json
add -t loop -f /no/such --json
add -t null --foreground --json
recover --json
recover -n 0 --json
stop --json -n x
stop 0 --json
quiesce 0 --json
del --json
del -a --json
del -n 0 --json
resize -n 0 1G --json
set-affinity -n 0 -q 0 --cpus 0 --json
list --json
list -v --json
list -n 7 --json
features --json
stat --json
stat --json 4095
stat --json -c 2
stat --json x/y
top --json -i 1
top --json -i 0
up --json
up nodevice --json
up --all --json
down nodevice --json
down --all --dry-run --json
apply --json
apply --json --frob
serve --json
serve nodevice --json
doctor --json
doctor --json x
gc --json
gc --dry-run --json
completion bash --json
completion fish --json
completion csh --json
events --json
events --json 3 -c 1 --timeout 1
events --json -c x
udev-owner --json ublkb0
-f --show /no/such --json
-a --json
-f --json
-l -J --json
-l -O frob --json
-c 0 --json
LINES
checks_end
