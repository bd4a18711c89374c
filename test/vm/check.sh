#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check.sh [--tests "PATTERN..."] [--list] [--kernel DIR] [--slow FACTOR]
#                 [--debug]
#
# Run every test: those of this directory's own tools, unit and model tests on
# the host, kselftests in guests. Prints one KTAP document and, last and alone on
# its line, the total of its leaves. PATTERN is a glob on test names as --list
# prints them; it may also match a name without its "(distro)". --kernel boots
# another kernel (see run.sh) and leaves out what does not depend on it; --slow
# multiplies every deadline, and is UBLK_TEST_SCALE and UBLK_TEST_LESS for the
# tests: what they wait for longer, and by what they divide their repetitions.
#
# Two guests run side by side, one with the shell tests and one with the programs:
# a test alone leaves the processors idle half of the time. Scripts that need many
# processors are left to the lane that is through first. A complete test of the
# second lane is printed when one of the first has ended.
#
# --debug is --kernel with the debug kernel and --slow 4, and an eighth of the
# repetitions. The processors of a guest run in turn, which takes a quarter less
# time: two guests of two leave those of the host short of time, and a processor
# that waits for another that does not run burns what it needs. Tests with "cpus",
# among them those of what happens at the same instant, keep theirs. Leaks are
# looked for in the tests whose "runner:" line says "leaks": where kmemleak works,
# more than half of the time of starting a process is spent in it, and most tests
# start many.
#
# A kselftest fails by its KTAP, its exit status, its deadline, the kernel log
# it leaves, or devices and processes it leaves. A guest that dies or hangs fails
# the test that ran; the remaining ones get a fresh guest.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

patterns=
list_only=
slow=1
less=
debug=
turns=()
kernel=
run_args=()
while [ $# -gt 0 ]; do
	case $1 in
	--tests) patterns=$2; shift ;;
	--list) list_only=1 ;;
	--kernel) kernel=$2; run_args+=(--kernel "$2"); shift ;;
	--slow) slow=$2; shift ;;
	--debug) debug=1 ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

if [ -n "$debug" ]; then
	kernel=$("$VM_DIR/debug-kernel.sh") || exit 1
	run_args+=(--kernel "$kernel")
	slow=4
	less=8
	turns=(--one-thread)
fi

TESTS_DIR=tools/testing/selftests/ublk
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-check.XXXXXX")
ktap=$tmp/ktap
shared=$tmp/shared
vm_pid=
lane_pid=
# shellcheck disable=SC2317,SC2329
cleanup() {
	trap - EXIT INT TERM HUP
	[ -z "$vm_pid" ] || kill "$vm_pid" 2>/dev/null
	[ -z "$lane_pid" ] || kill "$lane_pid" 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

number=0

emit() {
	printf '%s\n' "$*" | tee -a "$ktap"
}

# emit_result VERDICT NAME TENTHS: number and name go between "ok" and "#".
emit_result() {
	local verdict=$1 head=ok rest=

	number=$((number + 1))
	case $verdict in "not ok"*) head="not ok" ;; esac
	case $verdict in *"# "*) rest=" # ${verdict#*# }" ;; esac
	emit "$head $number $2$rest"
	emit "# $2: $(($3 / 10)).$(($3 % 10)) s"
	[ -z "$lane_pid" ] || catch_up '^# .*: [0-9.]* s$'
}

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

# host_test NAME LIMIT COMMAND...: a command that prints KTAP.
host_test() {
	local name=$1 limit=$(($2 * slow)) status verdict t0
	shift 2

	selected "$name" || return 0
	if [ -n "$list_only" ]; then
		echo "$name"
		return
	fi
	t0=${EPOCHREALTIME/./}
	emit "# $name"
	timeout -k 10 "$limit" "$@" </dev/null >"$tmp/out" 2>&1
	status=$?
	t0=$((${EPOCHREALTIME/./} - t0))
	grep -v '^make\(\[[0-9]*\]\)\?: ' "$tmp/out" | sed 's/^/    /' | tee -a "$ktap"
	verdict=$(awk -f "$VM_DIR/ktap.awk" -v verdict=1 -v status="$status" \
		-v seconds=$((t0 / 1000000)) -v limit="$limit" "$tmp/out")
	emit_result "$verdict" "$name" $((t0 / 100000))
}

host_tests() {
	local dir

	host_test vm/tools 120 "$VM_DIR/selftest.sh"
	for dir in unit model fuzz; do
		[ -e "$TOP_DIR/test/$dir/Makefile" ] || continue
		host_test "$dir" 600 make -s -C "$TOP_DIR/test/$dir" run \
			"O=$VM_CACHE/host-$(printf %s "$TOP_DIR" | sha256sum | cut -c1-12)/$dir"
	done
	[ ! -e "$TOP_DIR/scripts/check-docs.sh" ] ||
		host_test docs 120 "$VM_DIR/chroot.sh" -- scripts/check-docs.sh
	[ ! -e "$TOP_DIR/scripts/abi-coverage.sh" ] ||
		host_test coverage 60 "$TOP_DIR/scripts/abi-coverage.sh"
	# Compilers and checkers of the guest's release.
	[ -n "$kernel" ] || [ ! -e "$TOP_DIR/scripts/check.sh" ] ||
		host_test static 900 "$VM_DIR/chroot.sh" -- scripts/check.sh
	# Needs liburing of the guest's release, not the driver.
	[ ! -e "$TOP_DIR/test/user/Makefile" ] ||
		host_test user 600 "$VM_DIR/chroot.sh" -- make -s -C test/user run
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

# guest_group LABEL RUN-OPTION... -- TEST...: run tests, in as many guests as
# it takes. LABEL is appended to the names.
guest_group() {
	local label=$1 options=() todo=() before
	shift

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	todo=("$@")
	while [ ${#todo[@]} -gt 0 ]; do
		before=${#todo[@]}
		one_guest
		# Without progress there is no guest to be had.
		[ ${#todo[@]} -lt "$before" ] || {
			fail_rest "$guest_error"
			break
		}
	done
}

fail_rest() {
	local test

	for test in "${todo[@]}"; do
		emit_result "not ok # not run: $1" "${test%:*}$label" 0
	done
	todo=()
}

# One guest: reads what check-guest.sh says, takes finished tests off todo.
one_guest() {
	local line name='' limit status fd total=300 test

	guest_error=
	for test in "${todo[@]}"; do
		total=$((total + ${test##*:} + 90))
	done
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	HUNG_TASK=$((60 * slow)) "$VM_DIR/run.sh" --quiet --no-scan --log "$tmp/console" --timeout "$total" \
		--append log_buf_len=8M "${run_args[@]}" "${options[@]}" -- \
		env "UBLK_TEST_SCALE=$slow" "UBLK_TEST_LESS=${less:-$slow}" \
		test/vm/check-guest.sh "${todo[@]}" >"$tmp/fifo" 2>"$tmp/errors" &
	vm_pid=$!
	exec {fd}<"$tmp/fifo"
	# Until the first test begins: a first build of everything.
	limit=1800
	while :; do
		IFS= read -r -t "$((limit + 60))" -u "$fd" line || {
			[ $? -le 128 ] || guest_error="hung"
			break
		}
		case $line in
		"@begin "*)
			read -r _ limit name <<<"$line"
			emit "# $name$label"
			;;
		"|"*)
			emit "    ${line#|}"
			;;
		"@end "*)
			line=${line#@end }
			emit_result "${line#* }" "$name$label" "${line%% *}"
			todo=("${todo[@]:1}")
			name=
			limit=120
			;;
		*)
			emit "# guest: $line"
			;;
		esac
	done
	[ -z "$guest_error" ] || kill "$vm_pid" 2>/dev/null
	wait "$vm_pid"
	status=$?
	vm_pid=
	exec {fd}<&-

	case $status in
	0 | 97) ;;
	121) guest_error="build failed" ;;
	*) : "${guest_error:=guest died}" ;;
	esac
	if [ -n "$guest_error" ]; then
		if [ -n "$name" ]; then
			awk '/ublk-check: begin/ { n = 0 } { l[n++] = $0 }
				END { for (i = n > 150 ? n - 150 : 0; i < n; i++) print "# klog: " l[i] }' \
				"$tmp/console" 2>/dev/null | tee -a "$ktap"
			emit_result "not ok # $guest_error" "$name$label" 0
			todo=("${todo[@]:1}")
		else
			sed 's/^/# /' "$tmp/errors" | tee -a "$ktap"
			# Between two tests that is told by what is not run.
			[ ${#todo[@]} -gt 0 ] ||
				emit_result "not ok # $guest_error" "vm/last words$label" 0
		fi
	fi
	outside_tests
}

# What the kernel said while no test was running counts as a test of its own.
outside_tests() {
	[ -e "$tmp/console" ] || return
	awk '/ublk-check: begin/ { inside = 1 }
		!inside
		/ublk-check: end/ { inside = 0 }' "$tmp/console" >"$tmp/outside"
	if ! "$VM_DIR/klog-scan.sh" "$tmp/outside" >"$tmp/found"; then
		sed 's/^/# klog: /' "$tmp/found" | tee -a "$ktap"
		emit_result "not ok # kernel log outside the tests" "vm/klog$label" 0
	fi
	rm -f "$tmp/console"
}

# --- two guests side by side

# The arrays leaks, programs and programs_cpus of guest_tests().
run_programs() {
	[ ${#leaks[@]} -eq 0 ] || guest_group "" "${turns[@]}" -- "${leaks[@]}"
	[ ${#programs[@]} -eq 0 ] || guest_group "" "${quiet[@]}" "${turns[@]}" -- "${programs[@]}"
	[ ${#programs_cpus[@]} -eq 0 ] ||
		guest_group "" "${quiet[@]}" "${many[@]}" -- "${programs_cpus[@]}"
}

# The array cpus, in two guests: whichever lane is through takes the next one.
run_shared() {
	local half=$(((${#cpus[@]} + 1) / 2)) nr part

	for nr in 0 1; do
		part=("${cpus[@]:nr * half:half}")
		[ ${#part[@]} -gt 0 ] || continue
		mkdir "$shared/$nr" 2>/dev/null || continue
		guest_group "" "${quiet[@]}" "${many[@]}" -- "${part[@]}"
	done
}

# In the background, into $tmp/lane/out.
lane() {
	tmp=$tmp/lane
	ktap=$tmp/ktap
	number=0
	trap 'kill "$vm_pid" 2>/dev/null; wait; exit 143' TERM
	run_programs
	run_shared
	: >"$tmp/through"
}

start_lane() {
	mkdir "$tmp/lane"
	lane >"$tmp/lane/out" &
	lane_pid=$!
	lane_seen=0
}

# catch_up PATTERN: print what the lane has written since the last time, up to the
# last line that matches.
catch_up() {
	local end

	end=$(awk -v pattern="$1" '$0 ~ pattern { end = NR } END { print end + 0 }' \
		"$tmp/lane/out")
	[ "$end" -gt "$lane_seen" ] || return 0
	sed -n "$((lane_seen + 1)),${end}p" "$tmp/lane/out" |
		awk -v n="$number" '/^(not )?ok [0-9]+ / { n++; sub(/ok [0-9]+/, "ok " n) }
			{ print }' >"$tmp/lane/part"
	tee -a "$ktap" <"$tmp/lane/part"
	number=$((number + $(grep -cE '^(not )?ok [0-9]+ ' "$tmp/lane/part")))
	lane_seen=$end
}

end_lane() {
	local status

	[ -n "$lane_pid" ] || return 0
	wait "$lane_pid"
	status=$?
	lane_pid=
	catch_up ''
	[ -e "$tmp/lane/through" ] ||
		emit_result "not ok # ended with status $status" "vm/second lane" 0
}

# --- all of them

# Sort the kselftests into groups by what their guest must be.
guest_tests() {
	local test plain=() udev=() cpus=() distro=()
	local programs=() programs_cpus=() leaks=() quiet=()
	local many=(--smp 4 --append possible_cpus=32)

	"$VM_DIR/list-tests.sh" >"$tmp/tests" 2>"$tmp/errors" || {
		sed 's/^/# /' "$tmp/errors" | tee -a "$ktap"
		emit_result "not ok # cannot list the kselftests" kselftest 0
		return
	}
	while read -r test _; do
		if [ -z "$kernel$patterns" ] && [ -n "$(option "$test" debug)" ]; then
			continue
		fi
		if selected "$test"; then
			if [ -n "$(option "$test" udev)" ]; then
				udev+=("$test:$(limit_of "$test")")
			elif [ "${test%.sh}" != "$test" ]; then
				if [ -n "$(option "$test" cpus)" ]; then
					cpus+=("$test:$(limit_of "$test")")
				else
					plain+=("$test:$(limit_of "$test")")
				fi
			elif [ -n "$(option "$test" cpus)" ]; then
				programs_cpus+=("$test:$(limit_of "$test")")
			elif [ -n "$kernel" ] && [ -n "$(option "$test" leaks)" ]; then
				leaks+=("$test:$(limit_of "$test")")
			else
				programs+=("$test:$(limit_of "$test")")
			fi
		fi
		if [ -z "$kernel" ] && [ -n "$(option "$test" distro)" ] && selected "$test (distro)"; then
			distro+=("$test:$(limit_of "$test")")
		fi
	done <"$tmp/tests"
	if [ -n "$list_only" ]; then
		printf '%s\n' "${plain[@]%:*}" "${leaks[@]%:*}" "${programs[@]%:*}" \
			"${programs_cpus[@]%:*}" "${udev[@]%:*}" \
			"${cpus[@]%:*}" | sed '/^$/d'
		printf '%s (distro)\n' "${distro[@]%:*}" | sed '/^ (/d'
		return
	fi
	[ -z "$kernel" ] || quiet=(--append kmemleak=off)
	mkdir "$shared"
	if [ $((${#plain[@]} + ${#udev[@]} + ${#distro[@]})) -eq 0 ]; then
		run_programs
		run_shared
		return
	fi
	if [ $((${#leaks[@]} + ${#programs[@]} + ${#programs_cpus[@]} + ${#cpus[@]})) -gt 0 ]; then
		start_lane
	fi
	[ ${#plain[@]} -eq 0 ] || guest_group "" "${quiet[@]}" "${turns[@]}" -- "${plain[@]}"
	[ ${#udev[@]} -eq 0 ] || guest_group "" "${quiet[@]}" "${turns[@]}" --udev -- "${udev[@]}"
	[ ${#distro[@]} -eq 0 ] || guest_group " (distro)" --distro-driver -- "${distro[@]}"
	run_shared
	end_lane
}

# Install and make what the first guest needs, where it can fail with a message.
"$VM_DIR/prepare.sh" >/dev/null || exit 1
[ -n "$list_only" ] || emit "KTAP version 1"
[ -n "$kernel" ] || host_tests
guest_tests
[ -z "$list_only" ] || exit 0
emit "1..$number"
echo "# took $(($(date +%s) - VM_T0)) s"
awk -f "$VM_DIR/ktap.awk" "$ktap"
