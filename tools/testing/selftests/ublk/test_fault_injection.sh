#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Allocations of the driver fail (failslab and fail_page_alloc of a debug kernel). What
# must not wait for memory has another way, so no redirected or passed request fails.
# Control commands may fail, with an error, and leave nothing behind that cannot be
# deleted.

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio mkfs.ext4 module:null_blk
KINDS=(/sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc)
if [ ! -e "${KINDS[0]}/require-start" ]; then
	skip_all "the kernel has no failslab with a filter by call stack"
fi

# inject PERCENT WAITING [INTERVAL]: of each INTERVAL allocations of the whole kernel one
# may fail. WAITING is N to let those fail that may sleep, too.
inject() {
	local kind

	for kind in "${KINDS[@]}"; do
		echo 0 >"$kind/probability"
		echo "$2" >"$kind/ignore-gfp-wait"
		echo "${3:-1}" >"$kind/interval"
		echo "$1" >"$kind/probability"
	done
}

# Only what is called from the module.
prepare() {
	local kind name size start

	read -r name size _ _ _ start _ < <(grep '^ublk_drv ' /proc/modules) || return
	echo "$name at $start, $size bytes"
	for kind in "${KINDS[@]}"; do
		echo "$start" >"$kind/require-start" || return
		printf '0x%x\n' $((start + size)) >"$kind/require-end" || return
		echo 32 >"$kind/stacktrace-depth" || return
		echo 0 >"$kind/verbose" || return
		echo -1 >"$kind/times" || return
		echo N >"$kind/task-filter" || return
	done
	echo 0 >"${KINDS[1]}/min-order"
}

check "the module is all that is injected" prepare
defer inject 0 Y

# Small requests, and large ones of several bios.
verify() {
	fio --name=small --filename="$BDEV" --ioengine=io_uring --direct=1 \
		--rw=randwrite --bsrange=4k-256k --iodepth=16 --size=4M \
		--verify=crc32c --do_verify=1 --output="$TMP/fio" || {
		cat "$TMP/fio"
		return 1
	}
}

null_device ublk_back size=64
mkdir "$TMP/mnt"
mkfs.ext4 -q -O ^has_journal "$NULL" || die "mkfs"
mount "$NULL" "$TMP/mnt" || die "mount"
fallocate -l 16M "$TMP/mnt/file"
# faults STORE: on a loop disk there, for each line of options
faults() {
	local args what=${1##*/}

	while read -r args; do
		# shellcheck disable=SC2086 # words
		try_add -t loop -f "$1" $args || {
			skip "$what, $args" "not with this driver"
			continue
		}
		inject 30 Y
		check "$what, $args: IO" verify
		inject 0 Y
		check "$what, $args: del" del_dev
	done
}

faults "$TMP/mnt/file" <<-END
	--no-batch-io
	--batch-io
	--no-redirect --zerocopy
	--no-redirect --usercopy
END
umount "$TMP/mnt"
faults "$NULL" <<-END
	--no-passthrough --no-batch-io
	--no-passthrough --batch-io
	--user-recovery
END

# An addition makes some hundred allocations.
came=0 failed=0
add_and_del() {
	local nr options=("" --batch-io --usercopy --zerocopy --user-recovery "-q 2")

	for nr in {1..18}; do
		# shellcheck disable=SC2086 # words
		if "$UBLK" add -n 7 -t loop -f "$TMP/img" ${options[nr % 6]} \
			>"$TMP/out" 2>&1; then
			came=$((came + 1))
		else
			failed=$((failed + 1))
			[ -s "$TMP/out" ] || return 1
		fi
		"$UBLK" del -n 7 >/dev/null 2>&1
	done
	echo "$came came up, $failed did not"
}

truncate -s 16M "$TMP/img"
inject 100 N 301
add_and_del
check "some devices came up" [ "$came" -gt 0 ]
check "and some did not" [ "$failed" -gt 0 ]
inject 0 Y
"$UBLK" del -n 7 >/dev/null 2>&1
check "no device is left" not test -e /dev/ublkc7
add_dev -t loop -f "$TMP/img"
check "a device comes up as ever" verify
check "and goes" del_dev
finish
