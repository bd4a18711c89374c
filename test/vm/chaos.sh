#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: chaos.sh [--kcsan] [--seconds N] [--seed N]
#
# make check-chaos, make check-kcsan: the test "chaos" for a long time, ten minutes
# without the option, on the debug kernel or on the one that looks for data races.
# Its devices are of all modes. A report of the kernel is a failure; so is every one
# of KCSAN, as klog.patterns has its name. The seed of a run is in its output.
# Environment: that of run.sh.
#
# The hung task detector is as patient as the test.

set -eu
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

flavour=()
seconds=600
seed=
scale=4
while [ $# -gt 0 ]; do
	case $1 in
	--kcsan) flavour=(--kcsan) ;;
	--seconds) seconds=$2; shift ;;
	--seed) seed=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done
vm_number --seconds "$seconds"
case $seed in *[!0-9]*) vm_die "--seed $seed: not a number" ;; esac

"$VM_DIR/host.sh"
kernel=$("$VM_DIR/debug-kernel.sh" "${flavour[@]}")
export HUNG_TASK=$((60 * scale))
# As check-guest.sh does: a node without its disk must not make the kernel load
# modules.
# shellcheck disable=SC2016 # for the guest
exec "$VM_DIR/run.sh" --kernel "$kernel" --smp "${SMP:-4}" \
	--append "kmemleak=off possible_cpus=32 log_buf_len=8M" \
	--timeout "$((seconds * 5 + 1200))" -- \
	env "UBLK_TEST_SCALE=$scale" "UBLK_CHAOS_SECONDS=$seconds" \
	"UBLK_CHAOS_SEED=$seed" UBLK_TEST_DRIVER=ours \
	bash -c 'modprobe ublk_drv && echo >/proc/sys/kernel/modprobe &&
		cd tools/testing/selftests/ublk && exec ./chaos -v all'
