#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with redirected requests: the driver serves them
# from the memory of the test as a file.
#
# runner: cpus timeout=900

exec "$(dirname -- "$0")/crash_matrix" redirect
