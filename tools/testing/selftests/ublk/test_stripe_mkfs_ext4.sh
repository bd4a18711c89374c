#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ext4 on a striped disk: see fs_roundtrip.sh.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

# shellcheck source=fs_roundtrip.sh
. "$LIB_DIR/fs_roundtrip.sh"

require mkfs.ext4 e2fsck
# shellcheck disable=SC2034
FS_DEVICE=(-t stripe --chunk-size 16K "$(new_file a 90M)" "$(new_file b 91M)"
	"$(new_file c 95M)")
fs_roundtrip ext4 - e2fsck -fn
finish
