#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Helpers of the shell tests: KTAP output, cleanup, waiting, the ublk program.
# Sourced first by every test_*.sh, which then says:
#
#   require fio loop_file     or skip the whole test with the reason
#   add_dev -t null           a device, deleted at the end; its number in $DEV
#   check "what holds" CMD... one KTAP result: CMD succeeds
#   busywait MS CMD...        poll until CMD succeeds, fail after MS
#   defer CMD...              run CMD at the end, in reverse order, also on failure
#   finish                    plan, totals, exit status
#
# For slow kernels, UBLK_TEST_SCALE multiplies deadlines and UBLK_TEST_LESS divides
# repetitions ("less N").
#
# The program is that of "ublksrv", in the ublk tree that this file is in or beside
# this file (kernel tree), or "ublk" in the path; UBLK= names another.

set -u

LIB_DIR=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
KSFT_SKIP=4
SCALE=${UBLK_TEST_SCALE:-1}
LESS=${UBLK_TEST_LESS:-1}
DEV=

# What belongs to the program: its sources, manual pages, rules.
for LIB_SRV in "$LIB_DIR/../../../../ublksrv" "$LIB_DIR/ublksrv" ""; do
	[ ! -d "$LIB_SRV" ] || break
done
if [ -z "${UBLK:-}" ]; then
	UBLK=ublk
	for LIB_PROG in "$LIB_DIR/kublk" "$LIB_SRV/ublk"; do
		[ ! -x "$LIB_PROG" ] || UBLK=$LIB_PROG
	done
fi

TMP=$(mktemp -d "${TMPDIR:-/tmp}/ublk-test.XXXXXX")
mkfifo "$TMP/.pause"
LIB_DEFERRED=()
LIB_DEVS=()
LIB_COUNT=0
LIB_FAILED=0
LIB_SKIPPED=0

defer() {
	LIB_DEFERRED+=("$(printf '%q ' "$@")")
}

lib_cleanup() {
	local i status=$?

	trap - EXIT INT TERM
	for ((i = ${#LIB_DEFERRED[@]} - 1; i >= 0; i--)); do
		eval "${LIB_DEFERRED[i]}" >/dev/null 2>&1
	done
	for i in "${LIB_DEVS[@]}"; do
		[ ! -e "/dev/ublkc$i" ] || lib_delete "$i"
	done
	rm -rf "$TMP"
	exit "$status"
}
trap lib_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Delete a device, and kill its daemon if that does not answer.
lib_delete() {
	local pid

	pid=$(pid_of "$1")
	timeout "$((15 * SCALE))" "$UBLK" del --force -n "$1" >/dev/null 2>&1 && return
	[ "${pid:-0}" -le 0 ] || kill -9 "$pid"
	timeout "$((15 * SCALE))" "$UBLK" del --force -n "$1" >/dev/null
}

say() {
	printf '# %s\n' "$*"
}

ok() {
	LIB_COUNT=$((LIB_COUNT + 1))
	echo "ok $LIB_COUNT $*"
}

not_ok() {
	LIB_COUNT=$((LIB_COUNT + 1))
	LIB_FAILED=$((LIB_FAILED + 1))
	echo "not ok $LIB_COUNT $*"
}

skip() {
	LIB_COUNT=$((LIB_COUNT + 1))
	LIB_SKIPPED=$((LIB_SKIPPED + 1))
	echo "ok $LIB_COUNT $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit "$KSFT_SKIP"
}

# Print one result; if the command failed, its output, too.
check() {
	local what=$1 out=$TMP/check.out
	shift

	if "$@" >"$out" 2>&1; then
		ok "$what"
	else
		say "failed ($?): $*"
		sed 's/^/#   /' "$out"
		not_ok "$what"
	fi
}

# End the test after a failure that makes the rest pointless.
die() {
	say "$*"
	not_ok "$*"
	finish
}

finish() {
	echo "1..$LIB_COUNT"
	echo "# Totals: pass:$((LIB_COUNT - LIB_FAILED - LIB_SKIPPED)) fail:$LIB_FAILED xfail:0 xpass:0 skip:$LIB_SKIPPED error:0"
	[ "$LIB_FAILED" -eq 0 ]
	exit
}

# Skip the whole test unless all of these exist: a command, "module:NAME" or
# "feature:NAME".
require() {
	local what

	[ "$(id -u)" -eq 0 ] || skip_all "must be run as root"
	command -v "$UBLK" >/dev/null || skip_all "no program $UBLK"
	modprobe -q ublk_drv
	busywait 5000 test -e /dev/ublk-control || skip_all "no driver ublk_drv"
	for what; do
		case $what in
		module:*)
			modprobe -q "${what#*:}" || skip_all "no module ${what#*:}" ;;
		feature:*)
			has_feature "${what#*:}" || skip_all "driver without ${what#*:}" ;;
		*)
			command -v "$what" >/dev/null || skip_all "no program $what" ;;
		esac
	done
}

# Skip the whole test without udevd; else it has the rules of the program, with the
# path of this program, until the end. PROG is that path.
use_udev_rules() {
	local rules

	require udevadm
	udevadm control --ping --timeout=2 2>/dev/null || skip_all "udevd does not run"
	for rules in "$LIB_SRV/etc/60-ublk.rules" \
		/usr/local/lib/udev/rules.d/60-ublk.rules \
		/lib/udev/rules.d/60-ublk.rules ""; do
		[ ! -f "$rules" ] || break
	done
	[ -n "$rules" ] || skip_all "no udev rule 60-ublk.rules"
	PROG=$(readlink -f "$(command -v "$UBLK")")
	mkdir -p /run/udev/rules.d
	sed "s|PROGRAM=\"[^ ]*ublk |PROGRAM=\"$PROG |" "$rules" \
		>/run/udev/rules.d/60-ublk.rules
	defer sh -c "rm -f /run/udev/rules.d/60-ublk.rules; udevadm control --reload"
	udevadm control --reload
}

has_feature() {
	"$UBLK" features | grep -q "^$1 "
}

# Both ways that commands go, where the driver has batches.
batch_options() {
	! has_feature BATCH_IO || echo --batch-io
	echo --no-batch-io
}

# Sleep without starting a process: nobody writes to this pipe.
pause() {
	read -r -t "$1" <>"$TMP/.pause" || true
}

now_ms() {
	echo "$((${EPOCHREALTIME/[.,]/} / 1000))"
}

busywait() {
	local end=$((${EPOCHREALTIME/[.,]/} / 1000 + $1 * SCALE))
	shift

	until "$@" >/dev/null 2>&1; do
		[ "$((${EPOCHREALTIME/[.,]/} / 1000))" -lt "$end" ] || return 1
		pause 0.01
	done
}

# Print the number of repetitions: the argument, or less on a slow kernel.
less() {
	echo "$(($1 < LESS ? 1 : $1 / LESS))"
}

# Print the lines of a table: all, or every other one on a slow kernel.
rows() {
	awk -v less="$LESS" 'less == 1 || NR % 2'
}

not() {
	! "$@"
}

# fails STATUS WORD... -- COMMAND...: it ends with that status, and prints one line
# with all these words on standard error.
fails() {
	local want=$1 words=() word status lines
	shift

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	timeout "$((60 * SCALE))" "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	cat "$TMP/err"
	mapfile -t lines <"$TMP/err"
	[ "$status" -eq "$want" ] || { echo "status $status, not $want"; return 1; }
	[ "${#lines[@]}" -eq 1 ] || { echo "not one line"; return 1; }
	for word in "${words[@]}"; do
		[[ ${lines[0]} = *"$word"* ]] || { echo "no \"$word\""; return 1; }
	done
}

# kill_daemon [STATE]: kill the daemon of $DEV, wait until the device is in that state.
kill_daemon() {
	local pid

	pid=$(pid_of "$DEV")
	[ "${pid:-0}" -gt 0 ] && kill -9 "$pid" &&
		busywait 5000 state_is "$DEV" "${1:-QUIESCED}"
}

# The process has ended, even if nobody has waited for it.
ended() {
	local line state

	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
	read -r state _ <<<"${line##*) }"
	[ "$state" = Z ] || [ "$state" = X ]
}

# All threads of a process are stopped.
halted() {
	local stat line state

	for stat in "/proc/$1"/task/*/stat; do
		{ read -r line <"$stat"; } 2>/dev/null || continue
		read -r state _ <<<"${line##*) }"
		[ "$state" = T ] || return
	done
}

# The thread of the first queue.
queue_thread() {
	local task

	for task in /proc/"$(pid_of "$DEV")"/task/*; do
		[[ $(<"$task/comm") != ublk*q0 ]] || echo "${task##*/}"
	done
}

# The disk has a request that is with the driver.
in_flight() {
	local r w

	read -r r w <"/sys/block/ublkb$DEV/inflight" && [ $((r + w)) -gt 0 ]
}

# The disk has a request, which the driver may have requeued.
waiting() {
	local words

	read -r -a words <"/sys/block/ublkb$DEV/stat" && [ "${words[8]}" -gt 0 ]
}

# The standard output of a command is exactly this.
prints() {
	local want=$1 got
	shift

	got=$("$@") || return
	[ "$got" = "$want" ] || { echo "expected: $want"; echo "got: $got"; return 1; }
}

# Add a device; its number goes to DEV. Ends the test on failure. The program has
# deadlines of its own, here and in del_dev.
add_dev() {
	try_add "$@" || die "ublk add $*"
}

try_add() {
	"$UBLK" add "$@" >"$TMP/add.out" 2>"$TMP/add.err" || {
		sed 's/^/#   /' "$TMP/add.err"
		return 1
	}
	DEV=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$TMP/add.out")
	[ -n "$DEV" ] || return
	LIB_DEVS+=("$DEV")
	# shellcheck disable=SC2034
	BDEV=/dev/ublkb$DEV
}

del_dev() {
	"$UBLK" del -n "${1:-$DEV}"
}

# Word 7 and 9 of the second line, by their position.
pid_of() {
	local LIB_WORDS

	lib_list "$1"
	[ "${LIB_WORDS[5]-}" != pid ] || echo "${LIB_WORDS[6]}"
}

state_of() {
	local LIB_WORDS

	lib_list "$1"
	echo "${LIB_WORDS[8]-}"
}

# Read that line into the caller's LIB_WORDS.
lib_list() {
	local lines=()

	mapfile -t lines < <("$UBLK" list -n "$1" 2>/dev/null)
	read -r -a LIB_WORDS <<<"${lines[1]-}"
}

state_is() {
	[ "$(state_of "$1")" = "$2" ]
}

# Is the word one of those for how the data of the test's device moves?
mode_has() {
	"$UBLK" list -n "$DEV" | grep -q "^	mode .*\b$1\b"
}

# served_by_another: than the process $pid, which this one becomes.
served_by_another() {
	local now

	now=$(pid_of "$DEV")
	[ "${now:-0}" -gt 0 ] && [ "$now" != "$pid" ] && state_is "$DEV" LIVE || return
	pid=$now
}

# A service manager on $TMP/socket (NOTIFY_SOCKET): what it is told is in $TMP/told, a line
# each.
service_manager() {
	python3 - "$TMP/socket" >"$TMP/told" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
PY
	defer kill $!
	busywait 60000 test -S "$TMP/socket" || die "no socket"
}

# Reads and writes that the daemon of $DEV has served.
served_requests() {
	"$UBLK" stat "$DEV" | awk '$1 == "all" || $1 == "0" { n = $2 + $3 } END { print n }'
}

# Writes that the disk has completed since it is there.
disk_writes() {
	local words

	read -r -a words <"/sys/block/ublkb$DEV/stat"
	echo "${words[4]}"
}

disk_has_written() {
	[ "$(disk_writes)" -ge "$1" ]
}

# disk_bytes_are N
disk_bytes_are() {
	[ "$(blockdev --getsize64 "$BDEV")" -eq "$1" ]
}

# target_require TARGET LIBRARY: skip the whole test unless the module was compiled.
target_require() {
	[ ! -d "$LIB_SRV/targets" ] || export UBLK_TARGET_DIR=$LIB_SRV/targets
	"$UBLK" help -t "$1" >/dev/null 2>&1 ||
		skip_all "target $1 was not compiled: no $2"
}

# use_conf_dir: declarations are in the test's directory.
use_conf_dir() {
	export UBLK_CONF_DIR=$TMP/etc
	mkdir "$UBLK_CONF_DIR"
}

# declare_dev NAME LINE...
declare_dev() {
	printf '%s\n' "${@:2}" >"$UBLK_CONF_DIR/$1.conf"
}

# compile_target NAME SOURCE: a module in $UBLK_TARGET_DIR, by the public header alone.
compile_target() {
	cc -Wall -Wextra -Werror -shared -fPIC -I"$LIB_SRV/include" \
		-o "$UBLK_TARGET_DIR/ublk-target-$1.so" "$2"
}

# Make a file of that size in the test's directory and print its name.
new_file() {
	truncate -s "$2" "$TMP/$1" && echo "$TMP/$1"
}

# null_device NAME ATTRIBUTE=VALUE...: a null_blk device that keeps its contents; its
# node goes to NULL.
null_device() {
	local conf=/sys/kernel/config/nullb/$1 name=$1 setting
	shift

	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	mkdir "$conf" || skip_all "null_blk without configfs"
	defer rmdir "$conf"
	for setting in memory_backed=1 "$@" power=1; do
		echo "${setting#*=}" >"$conf/${setting%=*}" ||
			skip_all "null_blk without $setting"
	done
	defer sh -c "echo 0 >$conf/power"
	# Newer kernels name the node after the directory.
	NULL=/dev/$name
	busywait 2000 test -b "$NULL" || NULL=/dev/nullb$(cat "$conf/index")
	busywait 5000 test -b "$NULL" || die "no $NULL"
}

# fio_verify DEVICE [FIO OPTION]...: run fio with verification on a device.
fio_verify() {
	local dev=$1
	shift

	timeout "$((${FIO_SECONDS:-120} * SCALE))" fio --name=verify --filename="$dev" --ioengine=io_uring \
		--direct=1 --rw=randrw --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --randrepeat=1 --minimal "$@" >"$TMP/fio.out"
}

# Verify random IO on the disk again and again, until there is a file $TMP/enough: as long
# as what the test does meanwhile.
fio_until_enough() {
	until [ -e "$TMP/enough" ]; do
		fio_verify "$BDEV" --size=16M --iodepth=8 --bs=4k --time_based \
			--runtime=2 || return
	done
}

# fio_blocks [FIO OPTION]...: write BLOCKS blocks of 4 KiB to the disk, BLOCKS_DEPTH at a
# time, within BLOCKS_SECONDS. Each is written once, so a write that a server executes
# late does no harm, and every call has the same order and contents.
fio_blocks() {
	timeout "$((BLOCKS_SECONDS * SCALE))" fio --name=blocks --filename="$BDEV" \
		--ioengine=io_uring --direct=1 --rw=randwrite --bs=4k \
		--size="$((BLOCKS * 4))k" --iodepth="$BLOCKS_DEPTH" --randrepeat=1 \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 --minimal "$@" \
		>"$TMP/fio.out"
}

# fio_meanwhile IOPS MS TIMES COMMAND...: write the blocks, at most IOPS a second, and run
# COMMAND TIMES times meanwhile, each when an equal part has been written, within MS. A
# command that finds nothing left to be written would test nothing: there have to be more
# blocks than fio writes until the command has its effect.
fio_meanwhile() {
	local iops=$1 ms=$2 times=$3 begin i pid
	shift 3

	begin=$(disk_writes)
	fio_blocks --do_verify=0 --rate_iops="$iops" &
	pid=$!
	for ((i = 1; i <= times; i++)); do
		busywait "$ms" disk_has_written $((begin + i * BLOCKS / (times + 1))) &&
			! ended "$pid" && "$@" && continue
		echo "$(($(disk_writes) - begin)) of $BLOCKS written in round $i of $times"
		! ended "$pid" || echo "fio has ended"
		cat "$TMP/fio.out"
		pkill -P "$pid"
		wait "$pid"
		return 1
	done
	wait "$pid"
}

echo "TAP version 13"
