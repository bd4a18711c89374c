#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make everything that is made once (emulator, guest root, the tools of the kernel
# source), side by side. Prints the directory of the root, as root.sh does.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

"$VM_DIR/host.sh"
"$VM_DIR/emulator.sh" >/dev/null &
emulator=$!
"$VM_DIR/kernel-source.sh" --tools >/dev/null &
tools=$!
rootdir=$(vm_root)
wait "$emulator" || exit 1
wait "$tools" || exit 1
printf '%s\n' "$rootdir"
