#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make demo: from nothing to files on a ublk device. Makes the guest (first run),
# compiles driver and program, boots, and runs demo-guest.sh in it. Every step
# tells what it does and how long it took.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

started=${EPOCHREALTIME/./}
step_started=$started

seconds() {
	printf '%d.%d s' "$(($1 / 1000000))" "$(($1 % 1000000 / 100000))"
}

# step TEXT COMMAND...
step() {
	local out rc=0

	step_started=${EPOCHREALTIME/./}
	printf '\n==> %s\n' "$1"
	shift
	out=$("$@" 2> >(sed 's/^/    /' >&2)) || rc=$?
	if [ "$rc" -ne 0 ]; then
		printf '    FAILED (status %d) after %s\n' "$rc" \
			"$(seconds $((${EPOCHREALTIME/./} - step_started)))"
		exit "$rc"
	fi
	printf '    took %s\n' "$(seconds $((${EPOCHREALTIME/./} - step_started)))"
	result=$out
}

result=
echo "ublk demonstration: a block device whose data is served by a process"
step "Look for what the host needs, install what is missing" "$VM_DIR/host.sh"
step "Emulator and guest system (made once, then cached in $VM_CACHE)" \
	"$VM_DIR/prepare.sh"
echo "    guest kernel $(cat "$result/release")"
step "Compile the driver and the program for the guest" \
	"$VM_DIR/build.sh" --no-tests

printf '\n==> Boot the guest and run the rest in it\n'
boot=${EPOCHREALTIME/./}
"$VM_DIR/run.sh" --quiet --no-build --timeout 600 -- test/vm/demo-guest.sh
rc=$?
printf '\n    guest ran %s\n' "$(seconds $((${EPOCHREALTIME/./} - boot)))"
if [ "$rc" -eq 0 ]; then
	printf '\nDone after %s. "make shell" gives a shell in this guest.\n' \
		"$(seconds $((${EPOCHREALTIME/./} - started)))"
else
	printf '\nFAILED with status %d after %s.\n' "$rc" \
		"$(seconds $((${EPOCHREALTIME/./} - started)))"
fi
exit "$rc"
