#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers of "ublk serve" that are killed, one after the other, under verifying IO.
#
# runner: stock timeout=300

# shellcheck disable=SC2034 # for supervise.sh
SIGNAL=KILL OPTIONS="" BOUND_MS=15000
# shellcheck source=supervise.sh
. "$(dirname -- "$0")/supervise.sh"
