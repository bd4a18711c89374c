#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with batch commands and I/O on the requests' own pages.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:BATCH_IO feature:AUTO_BUF_REG
# shellcheck disable=SC2034 # no data for the daemon: mem cannot have it
DATA_TARGETS="loop stripe"
check "mem has to see the data" not try_add -t mem --size 1M --zerocopy
data_matrix "zero-copy batch" --zerocopy --batch-io
finish
