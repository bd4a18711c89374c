#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: net.sh [--kills N]
#
# make check-net: servers of the targets nbd, nbdkit and image that are killed N times
# in each case, 30 without the option, instead of the few times and cases of "make
# check". Environment: that of run.sh.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

kills=30
while [ $# -gt 0 ]; do
	case $1 in
	--kills) kills=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done
vm_number --kills "$kills"

"$VM_DIR/host.sh"
exec "$VM_DIR/run.sh" --timeout "$((kills * 90 + 600))" -- \
	env "UBLK_NBD_KILLS=$kills" UBLK_TEST_SCALE=4 UBLK_TEST_DRIVER=ours \
	bash -c 'modprobe ublk_drv && cd tools/testing/selftests/ublk &&
		./test_nbd.sh && exec ./test_nbd_loss.sh'
