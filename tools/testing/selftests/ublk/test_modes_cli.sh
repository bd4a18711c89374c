#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every way to move data, named by an option or chosen by the program: "ublk list"
# shows it, data arrives, a recovery keeps it, and options that contradict each
# other are refused with one line.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require cmp

mode_is() {
	prints "	mode $1" grep "^	mode" "$TMP/add.out"
}

# Write through the page cache of the disk, then compare with the file.
data_passes() {
	dd if="$TMP/data" of="$BDEV" bs=32k oflag=direct status=none &&
		cmp -n 1048576 "$TMP/data" "$img" &&
		dd if="$BDEV" bs=128k count=8 iflag=direct status=none |
		cmp - "$TMP/data"
}

# Writes and reads of the longest requests, by a target that has no buffers.
null_serves() {
	dd if=/dev/zero of="$BDEV" bs=4M count=4 oflag=direct status=none &&
		dd if="$BDEV" of=/dev/null bs=4M count=4 iflag=direct status=none
}

kill_and_recover() {
	kill -9 "$(pid_of "$DEV")" &&
		busywait 10000 state_is "$DEV" QUIESCED &&
		timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" >"$TMP/add.out"
}

# refused WORD... -- OPTION...: prints one line with these words, exits with 2.
refused() {
	local words=() err word

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	err=$("$UBLK" add -t loop -f "$img" "$@" 2>&1 >/dev/null)
	[ $? -eq 2 ] || { echo "status is not 2: $err"; return 1; }
	[ "$(wc -l <<<"$err")" -eq 1 ] || { echo "not one line: $err"; return 1; }
	for word in "${words[@]}"; do
		[[ $err == *"$word"* ]] || { echo "no $word: $err"; return 1; }
	done
}

img=$(new_file img 16M)
head -c 1M /dev/urandom >"$TMP/data"

# needed feature, mode in the list, options
while read -r features mode options; do
	mode=${mode//,/ }
	for feature in ${features//,/ }; do
		has_feature "$feature" && continue
		skip "$mode ($options)" "driver without $feature"
		continue 2
	done
	# shellcheck disable=SC2086
	add_dev -t loop -f "$img" -q 2 -d 16 -i $options
	check "$options: mode" mode_is "$mode"
	check "$options: data" data_passes
	check "$options: recovery" kill_and_recover
	check "$options: mode after it" mode_is "$mode"
	check "$options: data after it" data_passes
	del_dev || die "deleting device $DEV"
done < <(rows <<END
CMD_IOCTL_ENCODE copy --copy --no-batch-io
USER_COPY user-copy --usercopy --no-batch-io
AUTO_BUF_REG zero-copy --zerocopy --no-batch-io
BATCH_IO copy,batch --copy --batch-io
BATCH_IO,USER_COPY user-copy,batch --usercopy --batch
BATCH_IO,AUTO_BUF_REG zero-copy,batch -z -b
PER_IO_DAEMON copy --copy --no-batch --per-io-threads 3
PER_IO_DAEMON,AUTO_BUF_REG zero-copy --zero_copy --per_io_threads 2
BATCH_IO,AUTO_BUF_REG zero-copy,batch --auto_zc --batch_io --per-io-threads 2
END
)

# The fastest mode that the driver offers.
want=copy
! has_feature AUTO_BUF_REG || want=zero-copy
! has_feature BATCH_IO || want+=" batch"
add_dev -t loop -f "$img"
check "chosen automatically" mode_is "$want"
check "chosen automatically: data" data_passes
del_dev
add_dev -t loop -f "$img" -d 1
check "depth 1: no batch" mode_is "${want% batch}"
del_dev
add_dev -t loop -f "$img" -g
check "get data: the driver copies" mode_is "copy get-data"
del_dev

# A target that needs no data.
want=copy
! has_feature AUTO_BUF_REG || want=zero-copy
! has_feature USER_COPY || want=user-copy
! has_feature BATCH_IO || want+=" batch"
add_dev -t null
check "no data" mode_is "$want"
check "no data: reads and writes" null_serves
del_dev

# The reason why it is not the fastest one is on standard error.
timeout "$((60 * SCALE))" "$UBLK" add -t loop -f "$img" -d 1 -n 33 --foreground \
	>/dev/null 2>"$TMP/log" &
LIB_DEVS+=(33)
check "foreground device" busywait 10000 state_is 33 LIVE
check "the reason is logged" busywait 5000 \
	grep -Eq "dev 33: mode .*no batch commands: (the queue depth|the driver)" "$TMP/log"
check "foreground device is deleted" del_dev 33
wait

check "two modes" refused --zerocopy --usercopy "leave one out" -- -z --usercopy
check "copy and another" refused --copy --usercopy -- --copy --usercopy
check "batch and no batch" refused --batch-io --no-batch-io -- -b --no-batch
check "get data and zero copy" refused --need_get_data --zerocopy -- -g -z
check "get data and batch" refused --need_get_data --batch-io -- -g -b
check "zero copy and shared memory" refused --zerocopy --shmem_zc -- -z --shmem_zc "$img"
check "unprivileged and zero copy" refused --unprivileged --zerocopy -- --unprivileged -z
check "65 threads" refused per-io-threads -- --per-io-threads 65
finish
