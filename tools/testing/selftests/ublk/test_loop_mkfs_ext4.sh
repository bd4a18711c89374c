#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ext4 on a loop device: see fs_roundtrip.sh.
#
# runner: distro

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

# shellcheck source=fs_roundtrip.sh
. "$LIB_DIR/fs_roundtrip.sh"

require mkfs.ext4 e2fsck
fs_roundtrip ext4 256M e2fsck -fn
finish
