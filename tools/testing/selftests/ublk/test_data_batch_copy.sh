#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix (data.sh) with batch commands and copy by the driver.
#
# runner: cpus

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=data.sh
. "$(dirname -- "$0")/data.sh"

require fio feature:BATCH_IO
data_matrix "copy batch" --copy --batch-io
finish
