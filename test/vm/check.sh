#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check.sh [--tests "PATTERN..."] [--list] [--kernel DIR] [--slow FACTOR]
#                 [--debug] [--less N] [--lanes N]
#
# Run every test: those of this directory's own tools, unit and model tests on
# the host, kselftests in guests. Prints one KTAP document, the ten slowest tests
# and, last and alone on its line, the total of its leaves. PATTERN is a glob on
# test names as --list prints them; it may also match a name without its
# "(distro)". --kernel boots another kernel (see run.sh) and leaves out what does
# not depend on it; --slow multiplies every deadline, and is UBLK_TEST_SCALE for the
# tests: what they wait for longer. --less is UBLK_TEST_LESS for them, by what they
# divide their repetitions: 4 without the option, 8 with --debug. On the
# distribution's driver, of which nothing is to be found out, it is twice as much.
# From 8 on a C test leaves out every second variant of its fixtures.
#
# Several guests run side by side (lanes.sh), by default three and on more than
# six processors half as many as these: a test alone leaves the processors idle
# half of the time. The tests of the host have two lanes of their own, with less
# weight. A test is printed when it has ended.
#
# The processors of a guest run in turn, which takes a fifth less time on two
# processors: one that waits for another that does not run burns what it needs. Tests
# with "cpus", among them those of what happens at the same instant, have four that
# run at the same time, and those on the distribution's driver two.
#
# --debug is --kernel with the debug kernel and --slow 4. It leaves out the tests
# whose "runner:" line says "stock": they find what does not depend on the kernel,
# or take a way through the driver that a shorter test takes on it as well. Leaks are
# looked for in the tests with "leaks": where kmemleak works, more than half of the
# time of starting a process is spent in it, and most tests start many.
#
# A kselftest fails by its KTAP, its exit status, its deadline, the kernel log
# it leaves, or devices and processes it leaves. A guest that dies or hangs fails
# the test that ran; the remaining ones get a fresh guest.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=test/vm/lanes.sh
. "$VM_DIR/lanes.sh"

patterns=
list_only=
slow=1
less=
debug=
turns=(--one-thread)
quiet=()
kernel=
run_args=()
lane_count=
while [ $# -gt 0 ]; do
	case $1 in
	--tests) patterns=$2; shift ;;
	--list) list_only=1 ;;
	--kernel) kernel=$2; shift ;;
	--slow) slow=$2; shift ;;
	--debug) debug=1 ;;
	--less) less=$2; shift ;;
	--lanes) lane_count=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

TESTS_DIR=tools/testing/selftests/ublk
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-check.XXXXXX")
lanes=()
# shellcheck disable=SC2317,SC2329
cleanup() {
	trap - EXIT INT TERM HUP
	[ ${#lanes[@]} -eq 0 ] || kill "${lanes[@]}" 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

selected() {
	local p

	[ -n "$patterns" ] || return 0
	for p in $(set -f; printf '%s\n' "$patterns"); do
		# shellcheck disable=SC2254
		case $1 in $p) return 0 ;; esac
		# shellcheck disable=SC2254
		case ${1% (distro)} in $p) return 0 ;; esac
	done
	return 1
}

# --- on the host

# The longest, static, comes first. It and those behind "coverage" need the guest's
# root: compilers and checkers of the guest's release, its liburing. Those before can
# run while it is made.
HOST_TESTS="static vm/tools model unit fuzz coverage user series docs"

# host_command NAME: set limit and the array command; false if it is not there. Each
# of those in the chroot has a copy of the checkout, so none waits for another.
host_command() {
	local copy

	copy=("$VM_DIR/chroot.sh" --copy "$1" --)
	limit=600
	case $1 in
	vm/tools) command=("$VM_DIR/selftest.sh") ;;
	unit | model | fuzz)
		[ -e "$TOP_DIR/test/$1/Makefile" ] || return
		command=(make -s -C "$TOP_DIR/test/$1" run "O=$(vm_host_dir)/$1")
		;;
	coverage) command=("$TOP_DIR/scripts/abi-coverage.sh") ;;
	static) command=("${copy[@]}" scripts/check.sh); limit=3000 ;;
	series) command=("$VM_DIR/series.sh"); limit=1200 ;;
	user) command=("${copy[@]}" make -s -C test/user run); limit=1200 ;;
	docs) command=("${copy[@]}" scripts/check-docs.sh); limit=1200 ;;
	esac
}

# host_test NAME: its command prints KTAP.
host_test() {
	local name=$1 limit command status t0

	host_command "$name"
	limit=$((limit * slow))
	say "# $name"
	t0=${EPOCHREALTIME/./}
	timeout -k 10 "$limit" "${command[@]}" </dev/null >"$lane/out" 2>&1 &
	vm_pid=$!
	wait "$vm_pid"
	status=$?
	vm_pid=
	t0=$((${EPOCHREALTIME/./} - t0))
	grep -v '^make\(\[[0-9]*\]\)\?: ' "$lane/out" | sed 's/^/    /' >>"$lane/block"
	result "$(awk -f "$VM_DIR/ktap.awk" -v verdict=1 -v status="$status" \
		-v seconds=$((t0 / 1000000)) -v limit="$limit" "$lane/out")" \
		"$name" $((t0 / 100000))
}

host_lane() {
	local test

	renice -n 5 -p "$BASHPID" >/dev/null
	while test=$(take host) && [ -n "$test" ]; do
		host_test "${test%:*}"
	done
}

# Two, so that no processor is idle when the guests have ended before them.
start_host_lanes() {
	local nr

	[ -e "$tmp/queue/host" ] || return 0
	for nr in 0 1; do
		start_lane "host$nr" host_lane
	done
}

queue_host_tests() {
	local name limit command

	for name in $HOST_TESTS; do
		if selected "$name" && host_command "$name"; then
			queue host "$name:$limit"
		fi
	done
}

# --- in guests

# option NAME KEY: the value (or KEY itself) that the test's "runner:" line gives.
option() {
	local name words word value=

	while read -r name words; do
		[ "$name" = "$1" ] || continue
		for word in $words; do
			case $word in
			"$2") value=$2 ;;
			"$2="*) value=${word#*=} ;;
			esac
		done
	done <"$tmp/tests"
	printf '%s' "$value"
}

limit_of() {
	local limit

	limit=$(option "$1" timeout)
	[ -n "$limit" ] || limit=$(sed -n 's/^timeout=//p' "$TOP_DIR/$TESTS_DIR/settings" 2>/dev/null)
	case ${limit:-} in '' | 0 | *[!0-9]*) limit=300 ;; esac
	printf '%s' "$((limit * slow))"
}

# Is a test of this kind of kernel? One that TESTS= names always is.
for_this_kernel() {
	[ -z "$patterns" ] || return 0
	[ -n "$kernel" ] || [ -z "$(option "$1" debug)" ] || return
	[ -z "$debug" ] || [ -z "$(option "$1" stock)" ]
}

# What a test's guest must be.
group_of() {
	if [ -n "$(option "$1" udev)" ]; then
		echo udev
	elif [ -n "$(option "$1" cpus)" ]; then
		echo cpus
	elif [ -n "$kernel" ] && [ -n "$(option "$1" leaks)" ]; then
		echo leaks
	else
		echo plain
	fi
}

# The tests that a lane should not begin last: those with a deadline of their own.
long_first() {
	local test

	while read -r test _; do
		[ -z "$(option "$test" timeout)" ] || echo "$test"
	done <"$tmp/tests"
	while read -r test _; do
		[ -n "$(option "$test" timeout)" ] || echo "$test"
	done <"$tmp/tests"
}

# Sort the kselftests into queues.
queue_guest_tests() {
	local test limit

	if ! "$VM_DIR/list-tests.sh" >"$tmp/tests" 2>"$tmp/errors"; then
		sed 's/^/# /' "$tmp/errors" >>"$lane/block"
		result "not ok # cannot list the kselftests" kselftest 0
		return
	fi
	for test in $(long_first); do
		for_this_kernel "$test" || continue
		limit=$(limit_of "$test")
		! selected "$test" || queue "$(group_of "$test")" "$test:$limit"
		if [ -z "$kernel" ] && [ -n "$(option "$test" distro)" ] &&
		   selected "$test (distro)"; then
			queue distro "$test:$limit"
		fi
	done
}

# What all guests have in common, compiled before the first one boots.
build() {
	"$VM_DIR/build.sh" ${kernel:+--kernel "$kernel"} >"$tmp/errors" 2>&1 && return
	sed 's/^/# /' "$tmp/errors" >>"$lane/block"
	result "not ok # build failed" build 0
	return 1
}

guest_tests() {
	local group groups=()

	for group in cpus plain leaks distro udev; do
		[ ! -e "$tmp/queue/$group" ] || groups+=("$group")
	done
	[ ${#groups[@]} -gt 0 ] || return 0
	build || return
	start_guest_lanes "$lane_count" "${groups[@]}"
}

# Their memory is taken when they use it; all of them must fit into the host's.
memory_of_guests() {
	[ -z "${MEM:-}" ] || return 0
	MEM=$(awk -v n="$lane_count" '/^MemAvailable:/ { m = int($2 / 1024 * 0.8 / n)
		print m < 6144 ? m : 6144 }' /proc/meminfo)M
	export MEM
}

# --- all of them

lane=$tmp/main
mkdir "$lane" "$tmp/queue" "$tmp/serving"
: >"$lane/block"
: >"$tmp/expected"
echo 0 >"$tmp/number"

if [ -z "$lane_count" ]; then
	lane_count=$(($(nproc) > 6 ? $(nproc) / 2 : 3))
fi
[ -n "$kernel$debug" ] || queue_host_tests
if [ -z "$list_only" ]; then
	"$VM_DIR/host.sh" || exit 1
	echo "KTAP version 1" | tee "$tmp/ktap"
	start_host_lanes
	# Made once, where it can fail with a message.
	"$VM_DIR/prepare.sh" >/dev/null || exit 1
fi
if [ -n "$debug" ]; then
	kernel=debug
	[ -n "$list_only" ] || kernel=$("$VM_DIR/debug-kernel.sh") || exit 1
	slow=4
	less=${less:-8}
fi
less=${less:-4}
if [ -n "$kernel" ]; then
	run_args=(--kernel "$kernel")
	quiet=(--append kmemleak=off)
fi
queue_guest_tests
if [ -n "$list_only" ]; then
	cat "$tmp/expected"
	exit
fi
memory_of_guests
guest_tests
finish_lanes
{
	echo "1..$(cat "$tmp/number")"
	sed -n 's/^# \(.*\): \([0-9.]*\) s$/\2 \1/p' "$tmp/ktap" | sort -rn | head -n 10 |
		while read -r seconds name; do
			echo "# slowest: $name, $seconds s"
		done
	echo "# took $(($(date +%s) - VM_T0)) s"
} >"$tmp/end"
cat "$tmp/end"
awk -f "$VM_DIR/ktap.awk" "$tmp/ktap" "$tmp/end"
