#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: check-guest.sh
#
# The part of check.sh that runs in the guest: asks for tests, runs each with a
# deadline and judges output, exit status, kernel log and what was left behind.
# Talks to check.sh in lines:
#   @next                     which test? The answer is NAME:SECONDS, where NAME may
#                             have arguments, or an empty line if there is none
#   @begin SECONDS NAME       a test starts
#   |...                      a line of its output
#   @end SECONDS VERDICT      "ok", "ok # SKIP reason" or "not ok # reason"
# and first, for scripts/support.pl, what is tested, as a line of none of these kinds.
# Ends with status 97 when the guest is not fit for the next test.

vm=/run/vm
dir=/ublk/tools/testing/selftests/ublk
out=/tmp/check.out
klog=/tmp/check.klog

leftovers() {
	local left="" proc comm state

	for dev in /dev/ublkb* /dev/ublkc*; do
		[ ! -e "$dev" ] || left="$left ${dev#/dev/}"
	done
	# Not pgrep, which takes half a second on the debug kernel.
	for proc in /proc/[0-9]*; do
		{ read -r comm <"$proc/comm"; } 2>/dev/null || continue
		case $comm in
		ublk | kublk)
			{ read -r state <"$proc/stat"; } 2>/dev/null || continue
			case ${state##*) } in Z* | X*) continue ;; esac
			left="$left process:$(tr '\0' ' ' <"$proc/cmdline" | cut -c1-60)" ;;
		esac
	done
	left=$left$(awk '$1 ~ /^\/dev\/ublkb/ { printf " mount:%s", $2 }' /proc/mounts)
	printf '%s' "$left"
}

# What is still there when all that was told to end has had its time.
leftovers_stay() {
	local left

	for _ in $(seq 50); do
		left=$(leftovers)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	printf '%s' "$left"
}

# Kill what a test left, unload the driver; false if that does not work.
clean_up() {
	awk '$1 ~ /^\/dev\/ublkb/ { print $2 }' /proc/mounts | xargs -r -n1 umount -l
	pkill -9 -x 'ublk|kublk|ublk-guardian'
	for _ in $(seq 50); do
		modprobe -r ublk_drv 2>/dev/null
		[ -d /sys/module/ublk_drv ] || return 0
		sleep 0.1
	done
	return 1
}

# fewer_variants PROGRAM: with UBLK_TEST_LESS of 8 or more, the options that leave
# out every second variant of its fixtures, the first or the second by the name. The
# program lists fixture, variant and test in columns.
fewer_variants() {
	[ "${UBLK_TEST_LESS:-1}" -ge 8 ] || return 0
	"$dir/$1" -l 2>&1 | awk -v odd=$((${#1} % 2)) '
		/^#/ { next }
		/^---/ || NR == 2 { fixture++; n = 0 }
		{
			name = substr($0, 22, 25)
			sub(/ +$/, "", name)
			if (name == "" || name ~ / /)
				next
			if (!(name in out))
				out[name] = n % 2 != odd
			of[fixture, n++] = name
			last[fixture] = n
		}
		END {
			for (f = 1; f <= fixture; f++) {
				for (kept = i = 0; i < last[f]; i++)
					kept += !out[of[f, i]]
				if (!kept && last[f])
					out[of[f, 0]] = 0
			}
			for (name in out)
				if (out[name])
					print "-V", name
		}'
}

# A test that no signal ends: show where everything hangs, then check.sh
# gives up on this guest.
watchdog() {
	trap 'kill $!; exit 0' TERM
	sleep "$1" &
	wait $!
	echo "ublk-check: test does not end, blocked tasks follow" >/dev/kmsg
	echo w >/proc/sysrq-trigger
}

run_test() {
	local name=$1 limit=$2 command variants pid dog status verdict t0 t1 left

	read -r -a command <<<"$name"
	case $name in
	*" "*) ;;
	uapi_* | chaos)
		read -r -a variants <<<"$(fewer_variants "$name" | tr '\n' ' ')"
		command+=("${variants[@]}")
		;;
	esac
	echo "@begin $limit $name"
	modprobe -q ublk_drv
	dmesg -C
	echo "<5>ublk-check: begin $name" >/dev/kmsg
	: >"$out"
	# The kernel looks for a module when a node without a disk is opened, which
	# programs do that test it. Scripts mount file systems that are modules.
	case ${command[0]} in
	*.sh) echo /sbin/modprobe ;;
	*) echo ;;
	esac >/proc/sys/kernel/modprobe
	t0=${EPOCHREALTIME/./}
	# Not "exec": the shell's word on a test that a signal ended goes nowhere.
	(cd "$dir" && setsid -w timeout -k 10 "$limit" "./${command[0]}" "${command[@]:1}" \
		>"$out" 2>&1 </dev/null; exit $?) 2>/dev/null &
	pid=$!
	watchdog "$((limit + 30))" &
	dog=$!
	tail -s 0.1 -n +1 -f --pid="$pid" "$out" | sed -u 's/^/|/'
	[ ! -s "$out" ] || [ -z "$(tail -c 1 "$out")" ] || echo
	wait "$pid"
	status=$?
	t1=${EPOCHREALTIME/./}
	kill "$dog"
	wait "$dog"

	verdict=$(awk -f "$vm/ktap.awk" -v verdict=1 -v status="$status" \
		-v seconds="$(((t1 - t0) / 1000000))" -v limit="$limit" "$out")
	left=$(leftovers_stay)
	if [ -n "$left" ]; then
		echo "|# left behind:$left"
		verdict=$(add_reason "$verdict" "left behind:$left")
	fi
	# What comes behind the mark counts as said outside the tests.
	echo "<5>ublk-check: end $name" >/dev/kmsg
	dmesg >"$klog"
	if ! "$vm/klog-scan.sh" "$klog" >"$klog.found"; then
		sed 's/^/|# klog: /' "$klog.found"
		verdict=$(add_reason "$verdict" "kernel log")
	fi
	[ -z "$left" ] || clean_up || fit=
	echo "@end $(((t1 - t0) / 100000)) $verdict"
}

add_reason() {
	case $1 in
	"not ok # "*) printf '%s, %s\n' "$1" "$2" ;;
	*) printf 'not ok # %s\n' "$2" ;;
	esac
}

# The driver must leave, and leave nothing. Whatever is wrong goes to the kernel
# log, which check.sh looks through. kmemleak reports what two scans found
# unreferenced and what is older than five seconds.
last_words() {
	local file=/sys/kernel/debug/kmemleak

	clean_up || echo "<4>ublk-check: BUG: the module cannot be unloaded" >/dev/kmsg
	# Not there, or switched off.
	{ echo scan >"$file"; } 2>/dev/null || return 0
	sleep 6
	echo scan >"$file"
	head -n 200 "$file"
}

# The kernel, whose driver it has, the driver's features, the date.
introduce() {
	modprobe -q ublk_drv
	# A driver that has just been loaded may have no node yet.
	for _ in $(seq 50); do
		[ ! -e /dev/ublk-control ] || break
		sleep 0.1
	done
	/ublk/ublksrv/ublk features 2>/dev/null | awk -v release="$(uname -r)" \
		-v driver="${UBLK_DRIVER:+own}" -v date="$(date +%F)" '
		/^ublk_drv features: / { features = $3 }
		/: needs Linux / { lacks = lacks " " $1 }
		END {
			printf "kernel %s, driver %s, features %s, date %s, lacks%s\n",
				release, driver ? driver : "ours",
				features ? features : "unknown", date, lacks ? lacks : " nothing"
		}'
}

fit=1
introduce
exec 3<&0 <"/dev/null"
while echo "@next"; read -r test <&3 && [ -n "$test" ]; do
	run_test "${test%:*}" "${test##*:}" 3<&-
	[ -n "$fit" ] || exit 97
done
last_words
exit 0
