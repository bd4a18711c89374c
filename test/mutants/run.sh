#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: run.sh [--list] [--no-baseline] [MUTANT...]
#
# Are faults seen? Each file NAME.mutant here describes a fault of the driver, the
# library or a target. It is put into a copy of this tree, the copy is built, and
# the tests that ought to see the fault are run: at least one has to fail. Before
# that, the same tests have to pass without any fault. A mutant has these lines:
#
#	broken: what is wrong, in a sentence
#	where: host, guest, or debug for what only the debug kernel sees
#	tests: TEST[, TEST]...; unit/NAME, model/NAME, fuzz/NAME or user/NAME on the
#		host, else a kselftest with its arguments
#	in: file, or directory of .c and .h files
#	<<<<
#	old text, whole lines that occur once
#	====
#	new text
#	>>>>
#
# with the last six as often as needed (apply.pl). Prints a line for each mutant
# and a total; exit status 1 if one was missed, does not apply or does not build.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/../vm/lib.sh"
here=$TOP_DIR/test/mutants

# Seconds for a test, and for a guest with a few of them to boot and end.
TEST_LIMIT=120
GUEST_LIMIT=600

# header NAME KEY
header() {
	sed -n "s/^$2: *//p" "$here/$1.mutant" | head -n 1
}

# The tests of a mutant, one a line.
tests_of() {
	header "$1" tests | sed 's/, */\n/g'
}

baseline=1
mutants=()
while [ $# -gt 0 ]; do
	case $1 in
	--no-baseline) baseline= ;;
	--list)
		for file in "$here"/*.mutant; do
			name=$(basename "$file" .mutant)
			printf '%-30s %-6s %s\n' "$name" "$(header "$name" where)" \
				"$(header "$name" broken)"
		done
		exit
		;;
	*)
		name=$(basename "$1" .mutant)
		[ -e "$here/$name.mutant" ] || vm_die "no mutant $1; see --list"
		mutants+=("$name")
		;;
	esac
	shift
done
if [ ${#mutants[@]} -eq 0 ]; then
	for file in "$here"/*.mutant; do
		mutants+=("$(basename "$file" .mutant)")
	done
fi

work=$VM_CACHE/mutants-$(printf %s "$TOP_DIR" | sha256sum | cut -c1-12)
tree=$work/tree
mkdir -p "$tree"
vm_lock 6 "$(basename "$work")"
vm_sync "$tree"
# rsync sets times back: without this make would keep what it made of a mutant.
sed -n 's/^in: *//p' "$here"/*.mutant | sort -u | while read -r path; do
	find "$tree/$path" -name '*.[ch]' -exec touch {} +
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-mutants.XXXXXX")
vm_pid=
# shellcheck disable=SC2317,SC2329
cleanup() {
	trap - EXIT INT TERM HUP
	[ -z "$vm_pid" ] || kill "$vm_pid" 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- tests

# Compile and run a test of the host. Status 121: it does not compile.
host_test() {
	local kind=${1%/*} prog=${1#*/}

	if [ "$kind" = user ]; then
		# shellcheck disable=SC2016
		timeout -k 5 300 "$tree/test/vm/chroot.sh" -- sh -c '
			make -s -C test/user "PROGS=$1" || exit 121
			timeout -k 5 "$2" make -s -C test/user run "PROGS=$1"' \
			sh "$prog" "$TEST_LIMIT"
		return
	fi
	set -- make -s -C "$tree/test/$kind" "PROGS=$prog" "O=$work/$kind"
	"$@" || return 121
	timeout -k 5 "$TEST_LIMIT" "$@" run
}

# host_tests TEST...: the names of those that fail go to $tmp/failed.
host_tests() {
	local test

	for test; do
		echo "== $test"
		host_test "$test" </dev/null
		case $? in
		0) ;;
		121) return 121 ;;
		*) echo "$test" >>"$tmp/failed" ;;
		esac
	done >>"$tmp/log" 2>&1
}

# Set the array kernel to options for build.sh and run.sh.
choose_kernel() {
	local dir

	kernel=()
	[ "$1" = debug ] || return 0
	dir=$("$VM_DIR/debug-kernel.sh") || exit 1
	kernel=(--kernel "$dir")
}

build() {
	"$tree/test/vm/build.sh" "$@" "${kernel[@]}" >>"$tmp/log" 2>&1 || return 121
}

# guest_tests TEST...: in one guest, by check-guest.sh. A guest that dies, hangs or
# complains outside its tests has seen the fault as well.
guest_tests() {
	local test fd status

	rm -f "$tmp/stdin"
	mkfifo "$tmp/stdin"
	exec {fd}<>"$tmp/stdin"
	for test; do
		printf '%s:%s\n' "$test" "$TEST_LIMIT" >&"$fd"
	done
	echo >&"$fd"
	HUNG_TASK=30 "$tree/test/vm/run.sh" --quiet --no-build "${kernel[@]}" \
		--timeout "$GUEST_LIMIT" --stdin "$tmp/stdin" -- \
		test/vm/check-guest.sh >"$tmp/guest" 2>&1 &
	vm_pid=$!
	wait "$vm_pid"
	status=$?
	vm_pid=
	exec {fd}>&-
	cat "$tmp/guest" >>"$tmp/log"
	awk '/^@begin / { sub(/^@begin [0-9]+ /, ""); name = $0 }
		/^@end [0-9]+ not ok/ { print name }' "$tmp/guest" >>"$tmp/failed"
	[ "$status" -eq 0 ] || [ -s "$tmp/failed" ] ||
		echo "guest (status $status)" >>"$tmp/failed"
}

# run_tests WHERE TEST...: status 121 if something does not compile.
run_tests() {
	local where=$1
	shift

	: >"$tmp/log"
	: >"$tmp/failed"
	if [ "$where" = host ]; then
		host_tests "$@"
		return
	fi
	choose_kernel "$where"
	build --no-tests || return
	guest_tests "$@"
}

# --- mutants

# Without a fault all tests pass; this also compiles the kselftests.
check_baseline() {
	local where=$1 tests name
	shift

	mapfile -t tests < <(
		for name; do
			[ "$(header "$name" where)" != "$where" ] || tests_of "$name"
		done | sort -u)
	[ ${#tests[@]} -gt 0 ] || return 0
	if [ "$where" != host ]; then
		choose_kernel "$where"
		: >"$tmp/log"
		build || { cat "$tmp/log"; vm_die "the tree does not build"; }
	fi
	[ -n "$baseline" ] || return 0
	run_tests "$where" "${tests[@]}" || { cat "$tmp/log"; vm_die "the tests do not build"; }
	[ ! -s "$tmp/failed" ] || {
		cat "$tmp/log"
		vm_die "without any fault these fail: $(paste -sd , "$tmp/failed")"
	}
	echo "# without a fault, $where: ${#tests[@]} tests pass"
}

# Put the file back with a new time, or make would keep what it made of the mutant.
restore() {
	local file

	while IFS= read -r file; do
		cp "$TOP_DIR/$file" "$tree/$file"
		touch "$tree/$file"
	done <"$tmp/changed"
}

caught=0
bad=0
# tell VERDICT NAME REMARK
tell() {
	printf '%s %s: %s (%s, %s s)\n' "$1" "$2" "$(header "$2" broken)" "$3" \
		"$((SECONDS - started))"
	if [ "$1" = caught ]; then
		caught=$((caught + 1))
	else
		bad=$((bad + 1))
	fi
}

try() {
	local name=$1 tests status
	local started=$SECONDS

	if ! "$here/apply.pl" "$here/$name.mutant" "$tree" >"$tmp/changed" 2>"$tmp/log"; then
		tell broken "$name" "does not apply: $(tail -n 1 "$tmp/log")"
		return
	fi
	mapfile -t tests < <(tests_of "$name")
	run_tests "$(header "$name" where)" "${tests[@]}"
	status=$?
	restore
	if [ "$status" -ne 0 ]; then
		grep -E -m 5 'error|Error' "$tmp/log" | sed 's/^/# /'
		tell broken "$name" "does not build"
	elif [ -s "$tmp/failed" ]; then
		tell caught "$name" "$(paste -sd , "$tmp/failed" | sed 's/,/, /g')"
	else
		tell missed "$name" "$(header "$name" tests)"
	fi
}

for where in host guest debug; do
	check_baseline "$where" "${mutants[@]}"
	for name in "${mutants[@]}"; do
		[ "$(header "$name" where)" != "$where" ] || try "$name"
	done
done
echo "$caught of ${#mutants[@]} caught"
[ "$bad" -eq 0 ]
