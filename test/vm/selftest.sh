#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests of the tools that judge tests: ktap.awk and klog-scan.sh are fed good and
# bad input and must tell them apart. Needs neither root nor guest. KTAP.

set -u
dir=$(cd -P -- "$(dirname -- "$0")" && pwd)
number=0
failed=0

# check NAME EXPECTED GOT
check() {
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number $1"
	else
		printf '# expected: %s\n# got:      %s\n' "$2" "$3" | tr '\n' '~' |
			sed 's/~#/\n#/g; s/~$/\n/'
		echo "not ok $number $1"
		failed=1
	fi
}

total() {
	awk -f "$dir/ktap.awk" | tail -n 1
}

verdict() {
	awk -f "$dir/ktap.awk" -v verdict=1 -v status="$1" -v limit=9 -v seconds="${2:-1}"
}

scan() {
	if "$dir/klog-scan.sh" >/dev/null; then echo clean; else echo found; fi
}

echo "KTAP version 1"

check "count flat results" "1 passed, 1 failed, 1 skipped" \
	"$(printf 'KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no c here\n' | total)"
check "count leaves only" "3 passed, 1 failed, 0 skipped" \
	"$(printf 'KTAP version 1\n1..2\n    KTAP version 1\n    1..2\n    ok 1 a\n    not ok 2 b\nnot ok 1 x\n    1..2\n    ok 1 a\n    ok 2 b\nok 2 y\n' | total)"
check "count a parent that failed alone" "1 passed, 1 failed, 0 skipped" \
	"$(printf '    1..2\n    ok 1 a\nnot ok 1 x # 1 results of 2\n1..1\n' | total)"
check "count three levels" "2 passed, 1 failed, 1 skipped" \
	"$(printf '        1..2\n        ok 1 p\n        not ok 2 q\n    not ok 1 a\n    ok 2 b\n    ok 3 c # SKIP x\nnot ok 1 top\n' | total)"
check "nothing counted is a failure" 1 \
	"$(awk -f "$dir/ktap.awk" </dev/null >/dev/null; echo $?)"
check "a failure shows in the exit status" 1 \
	"$(echo 'not ok 1 a' | awk -f "$dir/ktap.awk" >/dev/null; echo $?)"
check "names of failures carry their parents" "# failed: top: mid: leaf (why)" \
	"$(printf '        not ok 1 leaf # why\n    not ok 1 mid\nnot ok 1 top\n' | awk -f "$dir/ktap.awk" | head -n 1)"
check "reasons of skips are listed" "# skipped: top: leaf: no disk" \
	"$(printf '    ok 1 leaf # SKIP no disk\n    ok 2 b\nok 1 top\n' | awk -f "$dir/ktap.awk" | head -n 1)"

check "a complete test passes" "ok" \
	"$(printf 'TAP version 13\n1..1\nok 1 a\n' | verdict 0)"
check "the plan may come last" "ok" \
	"$(printf 'KTAP version 1\nok 1 a\n1..1\n' | verdict 0)"
check "an unfinished plan fails" "not ok # 1 results of 2" \
	"$(printf 'TAP version 13\n1..2\nok 1 a\n' | verdict 0)"
check "no plan fails" "not ok # no plan" \
	"$(printf 'hello\n' | verdict 0)"
check "an empty plan fails" "not ok # empty plan" \
	"$(printf '1..0\n' | verdict 0)"
check "a bad exit status fails" "not ok # exit status 2" \
	"$(printf '1..1\nok 1 a\n' | verdict 2)"
check "a death by signal fails" "not ok # killed by signal 11, 1 results of 2" \
	"$(printf '1..2\nok 1 a\n' | verdict 139)"
check "a deadline fails" "not ok # no end after 9 s" \
	"$(printf '1..1\nok 1 a\n' | verdict 124)"
check "a deadline may end in SIGKILL" "not ok # no end after 9 s" \
	"$(printf '1..1\nok 1 a\n' | verdict 137 9)"
check "a test may kill itself" "not ok # killed by signal 9" \
	"$(printf '1..1\nok 1 a\n' | verdict 137 8)"
check "a failed result fails" "not ok # 1 failed" \
	"$(printf '1..2\nok 1 a\nnot ok 2 b\n' | verdict 0)"
check "a test may skip by its plan" "ok # SKIP no module" \
	"$(printf 'KTAP version 1\n1..0 # SKIP no module\n' | verdict 4)"
check "a skip cannot hide a failure" "not ok # 1 failed" \
	"$(printf '1..2\nok 1 a # SKIP x\nnot ok 2 b\n' | verdict 4)"

check "a quiet kernel log is clean" clean \
	"$(printf '[ 1.0] ext4: mounted\n[ 2.0] ublk_drv: loading out-of-tree module taints kernel.\n' | scan)"
while IFS= read -r line; do
	check "found in a kernel log: ${line//#/}" found "$(printf '[ 1.0] x\n[ 2.0] %s\n' "$line" | scan)"
done <<'LIST'
WARNING: CPU: 0 PID: 1 at block/blk-mq.c:1 f+0x1/0x2
WARNING: drivers/block/x.c:1 at f+0x1/0x2, CPU#0: fio/1
BUG: KASAN: slab-use-after-free in f+0x1/0x2
BUG: kernel NULL pointer dereference, address: 0
Oops: int3: 0000 [#1] SMP NOPTI
Call Trace:
INFO: task fio:123 blocked for more than 60 seconds.
refcount_t: underflow; use-after-free.
rcu: INFO: rcu_preempt self-detected stall on CPU
UBSAN: array-index-out-of-bounds in f.c:1:1
WARNING: possible circular locking dependency detected
WARNING: inconsistent lock state
general protection fault, probably for non-canonical address
Unable to handle kernel paging request
watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
fio invoked oom-killer: gfp_mask=0x0, order=0
kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
LIST
check "the excerpt shows the lines after it" "2" \
	"$(printf 'BUG: x\n RIP: f\n' | "$dir/klog-scan.sh" | grep -c -e BUG -e RIP)"

echo "1..$number"
exit "$failed"
