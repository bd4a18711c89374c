#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Verifying IO with NEED_GET_DATA: the daemon asks for the data of writes.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio feature:NEED_GET_DATA

add_dev -t loop -f "$(new_file img 32M)" -g -q 2 -d 16
check "the flag is granted" grep -q NEED_GET_DATA "$TMP/add.out"
check "random IO verifies" fio_verify "$BDEV" --bsrange=512-256k \
	--iodepth=16 --size=8m
check "device is deleted" del_dev
finish
