#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk add --mlock" locks the daemon in memory in every mode, and swap on such a
# disk survives a program that touches more than its memory cgroup may have. A
# daemon is not to be killed for want of memory.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkswap swapon perl capsh

# A value of /proc/PID/status in kB.
status_kb() {
	awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"
}

# As much is locked as the process has in memory, at least.
locked() {
	local pid lck rss

	pid=$(pid_of "$DEV")
	lck=$(status_kb "$pid" VmLck)
	rss=$(status_kb "$pid" VmRSS)
	echo "VmLck $lck VmRSS $rss"
	[ "$lck" -gt 1000 ] && [ "$lck" -ge $((rss * 9 / 10)) ]
}

adj_is() {
	prints "$1" cat "/proc/$2/oom_score_adj"
}

img=$(new_file img 64M)
own=$(cat /proc/self/oom_score_adj)
while read -r options; do
	# shellcheck disable=SC2086
	try_add -t loop -f "$img" -d 16 --mlock --no-auto-part-scan $options || {
		skip "$options" "the driver does not have that"
		continue
	}
	check "$options: locked" locked
	check "$options: not to be killed" adj_is -1000 "$(pid_of "$DEV")"
	check "$options: serves" dd if="$BDEV" of=/dev/null bs=64k count=8 iflag=direct status=none
	del_dev
done <<-END
	--copy --no-batch-io
	--copy --batch-io
	--usercopy --no-batch-io
	--usercopy --batch-io
	--zerocopy --no-batch-io
	--zerocopy --batch-io
	--copy -g
	--copy -q 2 --per-io-threads 2
END
check "this shell is as before" adj_is "$own" $$

# The recovered daemon is locked again; without --mlock nothing is.
add_dev -t loop -f "$img" -z -r --mlock --no-auto-part-scan
kill -9 "$(pid_of "$DEV")"
check "recovered" "$UBLK" recover -n "$DEV" --quiet
check "recovered: locked" locked
del_dev
add_dev -t null
check "without --mlock: nothing is locked" prints 0 status_kb "$(pid_of "$DEV")" VmLck
check "without --mlock: not to be killed" adj_is -1000 "$(pid_of "$DEV")"
del_dev

# In the foreground: the process itself, and not its parent.
"$UBLK" add -t null -n 8 --foreground --quiet &
pid=$!
check "foreground: there" busywait 10000 test -b /dev/ublkb8
check "foreground: not to be killed" adj_is -1000 "$pid"
check "foreground: its parent is as before" adj_is "$own" $$
kill "$pid"
wait "$pid"

# More than the machine has is refused, instead of looking for it.
total=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
check "more than there is: refused" not "$UBLK" add -t mem -s "$((total * 2))K" --mlock
prog=$(command -v "$UBLK")
limited() {
	# shellcheck disable=SC2016
	not capsh --drop=cap_ipc_lock --shell=/bin/sh -- -c \
		'ulimit -l 1024; exec "$@"' sh "$prog" add -t null --mlock 2>"$TMP/err" &&
		cat "$TMP/err" && [ "$(wc -l <"$TMP/err")" -eq 1 ] &&
		grep -q RLIMIT_MEMLOCK "$TMP/err" && grep -q 'ulimit -l' "$TMP/err"
}
check "RLIMIT_MEMLOCK: the message names it" limited
check "RLIMIT_MEMLOCK: no device is left" prints "" "$UBLK" list

# Swap under pressure, with copies and without.
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -z "$cgroup" ]; then
	cgroup=$TMP/cgroup
	mkdir "$cgroup"
	mount -t cgroup2 none "$cgroup" 2>/dev/null && defer umount "$cgroup"
fi
echo +memory >"$cgroup/cgroup.subtree_control" 2>/dev/null
group=$cgroup/ublk-test
mkdir "$group" 2>/dev/null
if [ ! -e "$group/memory.max" ]; then
	skip "swap" "no memory cgroup"
	finish
fi
defer rmdir "$group"
echo 16M >"$group/memory.max"
[ ! -e "$group/memory.swap.max" ] || echo max >"$group/memory.swap.max"

# Fill 40 MB with words that differ, then read them all.
cat >"$TMP/touch.pl" <<'END'
my @a;
push @a, pack("N", $_) x 1024 for 0 .. 10239;
for (0 .. 10239) {
	die "word $_" if $a[$_] ne pack("N", $_) x 1024;
}
END

pressed() {
	local events

	timeout "$((180 * SCALE))" sh -c "echo \$\$ >$group/cgroup.procs; exec perl $TMP/touch.pl" ||
		{ echo "status $?"; return 1; }
	events=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
	echo "pages written to swap: $((events - swapped))"
	[ "$events" -gt $((swapped + 4096)) ]
}

# Not in a tmpfs, which may be swapped out itself.
store=$(mktemp -d /var/tmp/ublk-test.XXXXXX)
defer rm -rf "$store"
img=$store/swap
dd if=/dev/zero of="$img" bs=1M count=128 conv=fsync status=none
ways=("$img --copy" "$img --zerocopy")
# And past the daemon, on a disk that keeps its data in memory of the kernel.
if has_feature EXTENTS && modprobe -q null_blk; then
	null_device ublk_swap size=128
	ways+=("$NULL --passthrough")
else
	skip "--passthrough: swap" "no extents or no null_blk"
fi
for way in "${ways[@]}"; do
	options=${way#* }
	add_dev -t loop -f "${way% *}" --mlock --no-auto-part-scan "$options"
	pid=$(pid_of "$DEV")
	mkswap "$BDEV" >/dev/null
	check "$options: swap is on" swapon -p 100 "$BDEV"
	defer swapoff "$BDEV"
	swapped=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
	check "$options: survives memory pressure" pressed
	check "$options: nothing of the daemon is in swap" prints 0 status_kb "$pid" VmSwap
	check "$options: swap is off" timeout "$((60 * SCALE))" swapoff "$BDEV"
	check "$options: deleted" del_dev
done
finish
