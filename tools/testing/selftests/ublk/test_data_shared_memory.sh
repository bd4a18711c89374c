#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh), fio's buffers shared with the daemon.

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:SHMEM_ZC
# Jobs that map the same file would share their buffers.
# shellcheck disable=SC2034
DATA_JOBS=1
DATA_SHARED=/dev/shm/ublk-data-$$
: >"$DATA_SHARED" || die "no shared memory"
defer rm -f "$DATA_SHARED"
# shellcheck disable=SC2034
DATA_FIO=(--mem="mmapshared:$DATA_SHARED")
data_matrix "copy shared-memory" --copy --no-batch-io --shmem_zc "$DATA_SHARED"
finish
