#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The daemon has memory for the parts of its IO buffers that requests have used, in
# the modes that have buffers: after IO of 4 KiB with every tag that is 512 KiB, not
# 64 MiB, even if the kernel makes huge pages wherever it can. Buffers that long
# requests use have huge pages, unless the administrator has turned them off.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio

THP=/sys/kernel/mm/transparent_hugepage/enabled

status_kb() {
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$(pid_of "$DEV")/status"
}

# run_io BLOCKSIZE DEPTH NUMBER
run_io() {
	timeout "$((60 * SCALE))" fio --name=buffers --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --rw=randrw --bs="$1" --iodepth="$2" --number_ios="$3" \
		--size=256m --norandommap --minimal >"$TMP/fio.out"
}

# Kilobytes of huge pages that the daemon has.
huge_kb() {
	awk '$1 == "AnonHugePages:" { print $2 }' "/proc/$(pid_of "$DEV")/smaps_rollup"
}

has_huge() {
	local kb

	kb=$(huge_kb)
	say "huge pages: $kb KiB"
	[ "$kb" -gt 0 ]
}

grew_less_than() {
	local kb

	kb=$(($(status_kb RssAnon) - before))
	say "anonymous memory: $before KiB, then $kb KiB more"
	[ "$kb" -lt "$1" ]
}

[ -e "$THP" ] || skip_all "a kernel without transparent huge pages"
old=$(sed 's/.*\[\(.*\)\].*/\1/' "$THP")
defer sh -c "echo $old >$THP"
echo always >"$THP" || skip_all "transparent huge pages cannot be turned on"

img=$(new_file img 256M)
while read -r options; do
	# shellcheck disable=SC2086
	add_dev -t loop -f "$img" --no-auto-part-scan $options
	before=$(status_kb RssAnon)
	check "$options: short requests" run_io 4k 128 "$(less 20000)"
	check "$options: at most 2 MiB more" grew_less_than 2048
	check "$options: no huge pages" prints 0 huge_kb
	check "$options: long requests" run_io 128k 32 "$(less 1000)"
	check "$options: huge pages" has_huge
	check "$options: deleted" del_dev
done < <(rows <<END
--copy --no-batch-io
--copy --batch-io
--usercopy --batch-io
END
)

echo never >"$THP"
add_dev -t loop -f "$img" --no-auto-part-scan --copy
check "turned off: long requests" run_io 128k 32 "$(less 1000)"
check "turned off: no huge pages" prints 0 huge_kb
check "turned off: deleted" del_dev
finish
