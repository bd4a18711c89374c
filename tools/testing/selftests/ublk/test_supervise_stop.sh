#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers of "ublk serve" that are stopped: the supervisor notices that they hang, kills
# and replaces them, under verifying IO.
#
# runner: stock timeout=300

# shellcheck disable=SC2034 # for supervise.sh
SIGNAL=STOP OPTIONS="--hang-timeout 3" BOUND_MS=20000
# shellcheck source=supervise.sh
. "$(dirname -- "$0")/supervise.sh"
