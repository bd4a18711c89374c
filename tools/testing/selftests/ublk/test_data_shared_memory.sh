#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with fio's buffers in memory shared with the daemon.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:SHMEM_ZC
# Jobs that map the same file would share their buffers.
# shellcheck disable=SC2034
DATA_JOBS=1
shared=/dev/shm/ublk-data-$$
truncate -s 64M "$shared" || die "no shared memory"
defer rm -f "$shared"
# shellcheck disable=SC2034
DATA_FIO=(--mem="mmapshared:$shared")
data_matrix "copy shared-memory" --copy --no-batch-io --shmem_zc "$shared"
finish
