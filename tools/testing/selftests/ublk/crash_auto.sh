#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with automatic buffer registration: data moves without a copy by the server.
#
# runner: cpus timeout=900

exec "$(dirname -- "$0")/crash_matrix" auto
