#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with redirected requests and batch commands.
#
# runner: cpus timeout=900

exec "$(dirname -- "$0")/crash_matrix" batch-redirect
