#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with batch commands.

exec "$(dirname -- "$0")/crash_matrix" batch
