#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The crash matrix (crash_matrix.c) with user copy: data moves by pread() and
# pwrite() on the char device.
#
# runner: cpus timeout=900

exec "$(dirname -- "$0")/crash_matrix" usercopy
