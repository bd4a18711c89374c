# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Part of check.sh: lanes that run tests side by side. A lane is a process that
# takes tests from the queues and runs them one after the other, in guests or on
# the host. What it says of a test it collects in its block, and publishes as a
# whole when the test has ended; so the document has one test after the other.
# Sourced, never run.
#
# In $tmp:
#   queue/GROUP    tests that no lane has taken, "NAME:SECONDS" one per line
#   serving/GROUP/ one file per lane that has a guest for this group
#   expected       names of all tests that must have a result in the end
#   ktap           the document; "number" is that of its last result
#   LANE/          the lane's own files: block, fifo, console, ...
#
# check.sh sets these: slow, less, run_args, turns, quiet.

# --- results

# say TEXT: a line of this lane's block.
say() {
	printf '%s\n' "$*" >>"$lane/block"
}

# The results of the block get their numbers.
publish() {
	[ -s "$lane/block" ] || return 0
	{
		flock 8
		awk -v n="$(cat "$tmp/number")" -v last="$tmp/number" '
			/^(not )?ok / { n++; sub(/ok /, "ok " n " ") }
			{ print }
			END { print n >last }' "$lane/block" | tee -a "$tmp/ktap"
	} 8>"$tmp/publish.lock"
	: >"$lane/block"
}

# result VERDICT NAME TENTHS: the name goes between "ok" and "#".
result() {
	local verdict=$1 head=ok rest=

	case $verdict in "not ok"*) head="not ok" ;; esac
	case $verdict in *"# "*) rest=" # ${verdict#*# }" ;; esac
	say "$head $2$rest"
	say "# $2: $(($3 / 10)).$(($3 % 10)) s"
	publish
}

# --- queues

# queue GROUP NAME:SECONDS...
queue() {
	local group=$1 label
	shift

	[ $# -gt 0 ] || return 0
	mkdir -p "$tmp/serving/$group"
	printf '%s\n' "$@" >>"$tmp/queue/$group"
	label=$(group_label "$group")
	printf '%s\n' "${@%:*}" | sed "s/\$/$label/" >>"$tmp/expected"
}

# take GROUP: print the next test and strike it off; nothing if there is none.
take() {
	{
		flock 8
		head -n 1 "$tmp/queue/$1"
		sed -i 1d "$tmp/queue/$1"
	} 8>"$tmp/queue.lock"
}

waiting() {
	wc -l <"$tmp/queue/$1"
}

# Does a group deserve one more guest? Each needs some seconds to boot, so not
# for a few tests that the guest of another lane will have run by then.
worthwhile() {
	local left guests

	left=$(waiting "$1")
	guests=$(find "$tmp/serving/$1" -type f | wc -l)
	[ "$left" -gt $((guests * 4)) ]
}

# --- guests

group_label() {
	[ "$1" != distro ] || echo " (distro)"
}

# Set the array options to what run.sh must know about a group's guest.
group_options() {
	case $1 in
	cpus) options=("${quiet[@]}" --smp 4 --append possible_cpus=32) ;;
	leaks) options=("${turns[@]}") ;;
	udev) options=("${quiet[@]}" "${turns[@]}" --udev) ;;
	distro) options=(--distro-driver) ;;
	*) options=("${quiet[@]}" "${turns[@]}") ;;
	esac
}

# serve GROUP: run its tests in as many guests as it takes.
serve() {
	local options=() label ran

	label=$(group_label "$1")
	group_options "$1"
	touch "$tmp/serving/$1/${lane##*/}"
	while [ "$(waiting "$1")" -gt 0 ]; do
		ran=0
		one_guest "$1"
		# Without progress there is no guest to be had.
		[ "$ran" -gt 0 ] || give_up "$1"
	done
	rm "$tmp/serving/$1/${lane##*/}"
}

give_up() {
	local test

	while test=$(take "$1") && [ -n "$test" ]; do
		result "not ok # not run: ${guest_error:-no guest}" "${test%:*}$label" 0
	done
}

# All that a guest may take: it could be the one that runs all tests left.
guest_deadline() {
	awk -F : '{ sum += $2 + 90 } END { print sum + 300 }' "$tmp/queue/$1"
}

boot() {
	local divisor=$less

	[ "$1" != distro ] || divisor=$((less * 2))
	HUNG_TASK=$((60 * slow)) "$VM_DIR/run.sh" --quiet --no-scan --no-build \
		--log "$lane/console" --timeout "$(guest_deadline "$1")" \
		--stdin "$lane/stdin" --append log_buf_len=8M \
		"${run_args[@]}" "${options[@]}" -- \
		env "UBLK_TEST_SCALE=$slow" "UBLK_TEST_LESS=$divisor" \
		${UBLK_TEST_EXTENTS:+UBLK_TEST_EXTENTS=1} \
		test/vm/check-guest.sh \
		>"$lane/fifo" 2>"$lane/errors" &
	vm_pid=$!
}

# One guest: it asks for tests, is given them and tells how they went.
one_guest() {
	local line name='' limit=1200 status out in

	guest_error=
	rm -f "$lane/fifo" "$lane/stdin"
	mkfifo "$lane/fifo" "$lane/stdin"
	exec {in}<>"$lane/stdin"
	boot "$1"
	exec {out}<"$lane/fifo"
	while :; do
		IFS= read -r -t "$((limit + 60))" -u "$out" line || {
			[ $? -le 128 ] || guest_error="hung"
			break
		}
		guest_line "$1"
	done
	[ -z "$guest_error" ] || kill "$vm_pid" 2>/dev/null
	wait "$vm_pid"
	status=$?
	vm_pid=
	exec {out}<&- {in}>&-

	case $status in
	0 | 97) ;;
	*) : "${guest_error:=guest died}" ;;
	esac
	[ -z "$guest_error" ] || guest_failed
	outside_tests
}

# Act on the line that the guest has sent.
guest_line() {
	case $line in
	"@next")
		printf '%s\n' "$(take "$1")" >&"$in"
		;;
	"@begin "*)
		read -r _ limit name <<<"$line"
		say "# $name$label"
		ran=$((ran + 1))
		;;
	"|"*)
		say "    ${line#|}"
		;;
	"@end "*)
		line=${line#@end }
		result "${line#* }" "$name$label" "${line%% *}"
		name=
		limit=$((120 * slow))
		;;
	*)
		say "# guest: $line"
		;;
	esac
}

# The test that ran has failed; between two tests "finish" tells what was not run.
guest_failed() {
	if [ -n "$name" ]; then
		awk '/ublk-check: begin/ { n = 0 } { l[n++] = $0 }
			END { for (i = n > 150 ? n - 150 : 0; i < n; i++) print "# klog: " l[i] }' \
			"$lane/console" >>"$lane/block" 2>/dev/null
		result "not ok # $guest_error" "$name$label" 0
		return
	fi
	sed 's/^/# /' "$lane/errors" >>"$lane/block"
	[ "$ran" -eq 0 ] || result "not ok # $guest_error" "vm/last words$label" 0
}

# What the kernel said while no test was running counts as a test of its own.
outside_tests() {
	[ -e "$lane/console" ] || return
	awk '/ublk-check: begin/ { inside = 1 }
		!inside
		/ublk-check: end/ { inside = 0 }' "$lane/console" >"$lane/outside"
	if ! "$VM_DIR/klog-scan.sh" "$lane/outside" >"$lane/found"; then
		sed 's/^/# klog: /' "$lane/found" >>"$lane/block"
		result "not ok # kernel log outside the tests" "vm/klog$label" 0
	fi
	rm -f "$lane/console"
}

# --- lanes

# start_lane NAME FUNCTION ARG...
start_lane() {
	mkdir "$tmp/$1"
	(
		lane=$tmp/$1
		vm_pid=
		: >"$lane/block"
		trap - EXIT INT HUP
		trap '[ -z "$vm_pid" ] || kill "$vm_pid" 2>/dev/null; wait; exit 143' TERM
		shift
		"$@"
		publish
	) &
	lanes+=($!)
}

# guest_lane GROUP...: in this order, and then what has become worthwhile.
guest_lane() {
	local group

	for group; do
		! worthwhile "$group" || serve "$group"
	done
}

# start_guest_lanes NUMBER GROUP...: each begins with another group.
start_guest_lanes() {
	local number=$1 nr groups
	shift
	groups=("$@")

	for ((nr = 0; nr < number; nr++)); do
		start_lane "lane$nr" guest_lane "${groups[@]}"
		groups=("${groups[@]:1}" "${groups[0]}")
	done
}

# Wait for all lanes. A test that was expected has a result, come what may.
finish_lanes() {
	local pid status name

	lane=$tmp/finish
	mkdir "$lane"
	for pid in "${lanes[@]}"; do
		wait "$pid"
		status=$?
		[ "$status" -eq 0 ] ||
			result "not ok # ended with status $status" "vm/lane" 0
	done
	lanes=()
	sed -n 's/^\(not \)\?ok [0-9]* //p' "$tmp/ktap" | sed 's/ #.*//' >"$tmp/seen"
	while IFS= read -r name; do
		grep -qxF -- "$name" "$tmp/seen" || result "not ok # not run" "$name" 0
	done <"$tmp/expected"
}
