#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with NEED_GET_DATA: the daemon asks for the data of
# writes.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:NEED_GET_DATA
data_matrix "copy get-data" --need_get_data
finish
