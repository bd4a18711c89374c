#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: net.sh [--kills N] [--tests "NAME..."]
#
# make check-net: servers of the targets nbd, nbdkit, image and rbd that are killed N
# times in each case, 30 without the option, instead of the few times and cases of "make
# check"; networks that are cut; a real Ceph. --tests names some of these: test_nbd,
# test_nbd_loss, test_image, net_cut, net_rbd. Each has a guest of its own, with the root
# of net-root.sh; "rbd" is test/user/rbd.c, natively in that root, where Ceph is ten times
# as fast. Prints one KTAP document. Environment: that of run.sh.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

kills=30
tests="rbd test_nbd test_nbd_loss test_image net_cut net_rbd"
while [ $# -gt 0 ]; do
	case $1 in
	--kills) kills=$2; shift ;;
	--tests) tests=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done
vm_number --kills "$kills"
export UBLK_ROOT=net

# A network of its own, so that other tests can have a Ceph, too.
natively() {
	# shellcheck disable=SC2016 # for the other shell
	"$VM_DIR/chroot.sh" --copy host -- unshare -n bash -c '
		ip link set lo up && UBLK_TEST_SCALE=4 make -s -C test/user "run-$1"' bash "$1"
}

in_guest() {
	"$VM_DIR/run.sh" --quiet --no-tests --timeout "$((kills * 90 + 900))" -- \
		env "UBLK_NBD_KILLS=$kills" UBLK_TEST_SCALE=4 UBLK_TEST_DRIVER=ours \
		bash -c "modprobe ublk_drv && tools/testing/selftests/ublk/$1.sh"
}

run_test() {
	case $1 in
	rbd) natively "$1" ;;
	*) in_guest "$1" ;;
	esac
}

"$VM_DIR/host.sh" || exit 1
echo "KTAP version 1"
number=0
failed=0
for test in $tests; do
	number=$((number + 1))
	echo "# $test"
	run_test "$test" | sed -u 's/^/    /'
	if [ "${PIPESTATUS[0]}" -eq 0 ]; then
		echo "ok $number $test"
	else
		echo "not ok $number $test"
		failed=1
	fi
done
echo "1..$number"
echo "# took $(($(date +%s) - VM_T0)) s"
exit "$failed"
