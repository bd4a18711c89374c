#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data matrix: one mode of the daemon x targets x one and four queues x
# patterns of I/O; fio verifies every block by crc32c. The test_data_*.sh source it
# after lib.sh; each of them is one mode:
#
#   data_matrix MODE OPTION...   MODE as "ublk list" names it, the options of
#                                "ublk add" that choose it
#
# The patterns are jobs of one fio, one after the other, each on its own range:
#   mixed       512 bytes to 1M at random offsets that fit no page
#   sequential  128k, written through, then read
#   random      4k random, write and read
# DATA_FIO has more options for fio. With DATA_JOBS=1 one thread keeps four queues
# busy.

DATA_TARGETS="mem loop stripe"
DATA_FIO=()
DATA_JOBS=

# data_device TARGET QUEUES OPTION...: add the device for a target.
data_device() {
	local target=$1 queues=$2 where=()
	shift 2

	rm -f "$TMP"/disk*
	case $target in
	mem)
		where=(--size 64M)
		;;
	loop)
		where=(-f "$(new_file disk 64M)")
		;;
	stripe)
		where=(-f "$(new_file disk0 24M)" -f "$(new_file disk1 24M)"
			-f "$(new_file disk2 24M)" --chunk-size 64K)
		;;
	esac
	try_add -t "$target" -q "$queues" -d 32 "${where[@]}" "$@"
}

# data_fio JOBS: run fio, which prints one line of results per pattern.
data_fio() {
	local each=(--numjobs="$1" --offset_increment=4m)
	local size=(--size="$(less $((4096 / $1)))k")
	local large=(--size="$(less $((8192 / $1)))k")

	timeout "$((120 * SCALE))" fio --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --iodepth=16 --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --randrepeat=1 --group_reporting=1 \
		--minimal "${DATA_FIO[@]}" \
		--name=mixed --rw=randrw --bsrange=512-1m --offset=32769k \
		"${each[@]}" "${large[@]}" \
		--name=sequential --stonewall --rw=write --bs=128k \
		--offset=16m "${each[@]}" "${size[@]}" \
		--name=random --stonewall --rw=randrw --bs=4k --offset=0 \
		"${each[@]}" "${size[@]}" >"$TMP/fio.out" 2>"$TMP/fio.err"
}

# data_good PATTERN: its line has no error, and data in both directions (in kB; fio
# does not count the verifying reads of the sequential pattern).
data_good() {
	awk -F';' -v name="$1" '
		$3 == name { seen = 1; bad = $5 != 0 || $47 + 0 == 0 ||
			(name != "sequential" && $6 + 0 == 0) }
		END { exit !seen || bad }' "$TMP/fio.out" && return
	cut -c1-200 "$TMP/fio.out"
	cat "$TMP/fio.err"
	return 1
}

# data_combination MODE TARGET QUEUES OPTION...
data_combination() {
	local mode=$1 target=$2 queues=$3 what="$2, $3 queues" pattern
	shift 3

	data_device "$target" "$queues" "$@" || {
		not_ok "$what: add"
		return
	}
	check "$what: mode $mode" grep -qx "	mode $mode" "$TMP/add.out"
	check "$what: the queues are granted" prints "$queues" \
		awk 'NR == 1 { print $5 }' "$TMP/add.out"
	data_fio "${DATA_JOBS:-$queues}"
	for pattern in mixed sequential random; do
		check "$what: $pattern" data_good "$pattern"
	done
	check "$what: delete" del_dev
}

data_matrix() {
	local mode=$1 target queues n=${#1} part
	shift

	part=$((LESS == 1 ? 1 : LESS < 8 ? 2 : 3))

	for queues in 1 4; do
		for target in $DATA_TARGETS; do
			# On a slow kernel run one of two or of three, by the mode.
			n=$((n + 1))
			[ $(((n + queues / 4) % part)) -eq 0 ] || continue
			if [ "$(nproc)" -lt "$queues" ]; then
				skip "$target, $queues queues" "$(nproc) processors"
			else
				data_combination "$mode" "$target" "$queues" "$@"
			fi
		done
	done
}
