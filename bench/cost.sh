# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# For scripts that measure in the guest: what an IO costs. Sourced with jobs ("NAME RW
# KILOBYTES DEPTH" each), runs and wanted set, see guest.sh.

fio_out=$(mktemp)

# Prints the instructions per IO of one job on one device. They are 1e9 / IOPS,
# as an instruction takes one nanosecond of the guest's clock.
cost() {
	local dev=$1 rw=$2 kb=$3 depth=$4 batch=() field want

	[ "$depth" -eq 1 ] ||
		batch=(--iodepth_batch_submit=16 --iodepth_batch_complete_min=8
			--iodepth_batch_complete_max=32)
	fio --name=cost --filename="$dev" --ioengine=io_uring --direct=1 \
		--rw="$rw" --bs="${kb}k" --iodepth="$depth" "${batch[@]}" \
		--number_ios="$ios" --norandommap --size="$size" --minimal \
		--numjobs="$processes" \
		--output="$fio_out" >&2 || {
		cat "$fio_out" >&2
		return 1
	}
	want=$(($(numfmt --from=iec "$size") / 1024 / kb))
	[ "$want" -lt "$ios" ] || want=$ios
	# terse format 3, a line for each process: kilobytes, and three fields later
	# milliseconds
	field=6
	[[ $rw != *write ]] || field=47
	awk -F';' -v f="$field" -v kb="$kb" -v want="$want" -v nr="$processes" '
		$1 == 3 {
			if ($5 || $f / kb != want)
				exit 1
			if ($(f + 3) > ms)
				ms = $(f + 3)
			found++
		}
		END {
			if (found != nr)
				exit 1
			printf "%.0f\n", ms * 1e6 / want / nr
		}' "$fio_out"
}

# What a subject is measured with, on how much of it, by how many IOs.
only=.
size=1G
ios=20000
processes=1

measure() {
	local subject=$1 dev=$2 job name rw kb depth insns least i

	for job in "${jobs[@]}"; do
		read -r name rw kb depth <<<"$job"
		[[ $name =~ $wanted && $name =~ $only ]] || continue
		least=
		for ((i = 0; i < runs; i++)); do
			insns=$(cost "$dev" "$rw" "$kb" "$depth") || {
				echo "bench: $subject: $name failed" >&2
				return 1
			}
			[ -n "$least" ] && [ "$least" -le "$insns" ] ||
				least=$insns
		done
		printf 'ROW\t%s\t%s\t%s\n' "$subject" "$name" "$least"
	done
}

# The same without a scheduler. A disk from which IO passes has none.
measure_none() {
	local scheduler=/sys/block/${2#/dev/}/queue/scheduler

	[ ! -e "$scheduler" ] || echo none >"$scheduler"
	measure "$@"
}
