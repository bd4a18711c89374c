#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with copy by the daemon: pread() and pwrite() on the
# char device.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:USER_COPY
data_matrix "user-copy" --usercopy --no-batch-io
finish
