#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with automatic buffer registration: the server
# moves data without a copy.
#
# runner: cpus timeout=900

exec "$(dirname -- "$0")/crash_matrix" auto
