#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# xfs on a loop device: see fs_roundtrip.sh.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

# shellcheck source=fs_roundtrip.sh
. "$LIB_DIR/fs_roundtrip.sh"

require mkfs.xfs xfs_repair module:xfs
fs_roundtrip xfs 320M xfs_repair -n
finish
