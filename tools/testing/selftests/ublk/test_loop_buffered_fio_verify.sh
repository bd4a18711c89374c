#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The loop target through the page cache of its backing file.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

add_dev -t loop -f "$(new_file img 32M)" --buffered-io -q 2
check "buffered IO verifies" fio_verify "$BDEV" --bsrange=512-128k \
	--iodepth=32 --size=8m
check "device is deleted" del_dev
finish
