#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared memory: fio's buffers lie in a file that the daemon maps as well, so the
# daemon serves them in place. The backing file gets what fio writes, and fio reads
# it back; IO with other memory works at the same time; a recovery needs the same
# file.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio feature:SHMEM_ZC

area=/dev/shm/ublk-test-area.$$
defer rm -f "$area" "$area.old"
truncate -s 8M "$area"
img=$(new_file img 32M)
size=$(less 4)m

mode_is() {
	grep -q "^	mode $1$" "$TMP/add.out"
}

verify_in_area() {
	fio_verify "$BDEV" --iodepth=16 --size="$size" "$@" --mem=mmapshared:"$area"
}

recover_fails() {
	timeout "$((30 * SCALE))" "$UBLK" recover -n "$DEV" >/dev/null 2>"$TMP/err" && return 1
	cat "$TMP/err"
	grep -q "$1" "$TMP/err"
}

for mode in copy user-copy; do
	option=--${mode/user-/user}
	if [ "$mode" = user-copy ] && ! has_feature USER_COPY; then
		skip "$mode" "driver without USER_COPY"
		continue
	fi
	add_dev -t loop -f "$img" -i "$option" --no-batch-io --shmem_zc "$area"
	check "$mode: mode" mode_is "$mode shared-memory"
	check "$mode: 4k, in the area" verify_in_area --bs=4k
	check "$mode: mixed sizes, in the area" verify_in_area --bsrange=4k-64k
	check "$mode: other memory" fio_verify "$BDEV" --bsrange=4k-64k \
		--iodepth=16 --size="$size"
	kill -9 "$(pid_of "$DEV")"
	busywait 10000 state_is "$DEV" QUIESCED || die "not quiesced"
	# Another file with that name is not the memory that the driver knows.
	mv "$area" "$area.old"
	check "$mode: recovery without the file" recover_fails "$area"
	truncate -s 8M "$area"
	check "$mode: recovery with another file" recover_fails "another file"
	mv "$area.old" "$area"
	check "$mode: recovery with the file" timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV"
	check "$mode: in the area, after it" verify_in_area --bs=4k
	del_dev || die "deleting device $DEV"
done
check "no such file" not try_add -t loop -f "$img" --shmem_zc "$TMP/nosuch"
: >"$TMP/empty"
check "an empty file" not try_add -t loop -f "$img" --shmem_zc "$TMP/empty"
finish
