#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with three threads for each queue.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:PER_IO_DAEMON
data_matrix "copy" --copy --no-batch-io --per-io-threads 3
finish
