#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk events" tells everything that happens to devices, in the order in which it
# happens, without udev, and asks the driver nothing while nothing happens.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3 strace

# follow NAME OPTION...: in the background, into a file, from the moment when this
# returns. There has to be a device. The process is $FOLLOWER.
follow() {
	local name=$1
	shift

	"$UBLK" events -p "$@" >"$TMP/$name" 2>"$TMP/$name.err" &
	FOLLOWER=$!
	defer kill "$FOLLOWER"
	busywait 10000 grep -q present "$TMP/$name" || die "ublk events does not begin"
}

# Events of a device so far, in a line.
events() {
	awk -v dev="$1" '$2 == "dev" && $3 == dev { printf "%s%s", sep, $4; sep = " " }' \
		"$TMP/$2"
}

# has NAME PATTERN: the events of the device are these, as a regular expression.
has() {
	[[ $(events "$DEV" "$1") =~ ^$2$ ]]
}

# told NAME PATTERN: soon.
told() {
	busywait 20000 has "$@" || { cat "$TMP/$1" "$TMP/$1.err"; return 1; }
}

# The words of a line have their places.
line() {
	grep -Eq "^20[0-9-]+T[0-9:.]+[+-][0-9]{2}:[0-9]{2} dev $DEV $2\$" "$TMP/$1" ||
		{ cat "$TMP/$1"; return 1; }
}

add_dev -t null --name first
one=$DEV
follow all
check "a device that was there" line all \
	"present state LIVE pid $(pid_of "$DEV") sectors [1-9][0-9]* name first"

try_add -t loop -r 1 --name second "$(new_file img 16M)" || die "ublk add"
check "a new one" told all "added live"
pid=$(pid_of "$DEV")
check "with pid, size and name" line all "live state LIVE pid $pid sectors 32768 name second"
follow one -n second
check "resize" "$UBLK" resize -n "$DEV" -s 8M
check "is told" told one "present resized"
check "with the size" line one "resized state LIVE pid $pid sectors 16384 name second"
check "quiesce" "$UBLK" quiesce -n "$DEV"
gone="(quiesced daemon-gone|daemon-gone quiesced)"
check "is told" told one "present resized $gone"
check "with the process" line one "daemon-gone state [A-Z]+ pid $pid sectors 16384 name second"
check "recover" "$UBLK" recover -n "$DEV" --quiet
check "is told" told one "present resized $gone recovered"
check "with the new process" line one \
	"recovered state LIVE pid $(pid_of "$DEV") sectors 16384 name second"
check "kill -9" kill_daemon
check "is told" told one "present resized $gone recovered $gone"

# A recovery that fails, then one that works.
mv "$TMP/img" "$TMP/away"
check "a recovery without the file fails" fails 1 img -- "$UBLK" recover -n "$DEV"
mv "$TMP/away" "$TMP/img"
check "recover" "$UBLK" recover -n "$DEV" --quiet
check "only the second is told" told one "present resized $gone recovered $gone recovered"

quiet() {
	timeout -s INT 3 strace -f -p "$1" -e trace=io_uring_enter,poll,read -o "$TMP/strace"
	[ "$(grep -c . "$TMP/strace")" -lt 8 ] || { cat "$TMP/strace"; return 1; }
}
settled() {
	[ "$(sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "/proc/$FOLLOWER/status")" = "$switches" ] &&
		return
	switches=$(sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "/proc/$FOLLOWER/status")
	pause 3
	return 1
}
switches=
check "it comes to rest" busywait 30000 settled
check "and asks nobody then" quiet "$FOLLOWER"

check "stop" "$UBLK" stop -n "$DEV"
check "is told" told one ".* recovered (stopped daemon-gone|daemon-gone stopped)"
check "del" del_dev
check "is told" told one ".* removed"
check "another device is not" prints "" awk -v dev="$DEV" '$3 != dev' "$TMP/one"
check "all of it by the one that follows all" told all "added live resized $gone recovered .* removed"

# The number comes back as another device.
add_dev -t null -n "$DEV" --user-recovery-fail-io
check "the next device with the number" told one ".* removed added live"
check "its name is not that of the one before" prints "" \
	sed -n "/ live .*name/p; /removed/,\$ { /name/ { /removed/!p } }" "$TMP/one"
check "it dies" kill_daemon FAIL_IO
check "its IO fails" told one ".* live (failing daemon-gone|daemon-gone failing)"
del_dev || die "deleting device $DEV"
check "it goes" told one ".* removed"
kill "$FOLLOWER"

DEV=$one
check "kill -9 of one that cannot be recovered" kill_daemon DEAD
check "is told" told all "present (stopped daemon-gone|daemon-gone stopped)"
del_dev || die "deleting device $DEV"

# Many at a time: every one is told.
add_dev -t null
follow burst
burst() {
	local i nr pids=()

	nr=$(less 12)
	for ((i = 0; i < nr; i++)); do
		"$UBLK" add -t null -n $((100 + i)) --quiet &
		pids+=($!)
	done
	wait "${pids[@]}" && "$UBLK" del -a || return
	for ((i = 0; i < nr; i++)); do
		DEV=$((100 + i))
		told burst "added live (stopped daemon-gone|daemon-gone stopped) removed" ||
			return
	done
}
check "many at a time" burst
kill "$FOLLOWER"

# How it ends.
ends() {
	local want=$1 began=$SECONDS
	shift

	timeout "$((60 * SCALE))" "$UBLK" events "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	cat "$TMP/out" "$TMP/err"
	[ "$status" -eq "$want" ] && [ $((SECONDS - began)) -lt $((20 * SCALE)) ]
}
add_dev -t null
check "after a time" ends 0 --timeout 1
check "has printed nothing" test ! -s "$TMP/out"
check "after a number of events" ends 0 -p -c 1
check "in time" ends 6 -n "$DEV" -p -c 2 --timeout 1
check "says so" grep -q "^ublk: dev $DEV: 1 of 2 events in 1 s; " "$TMP/err"
check "no such name" fails 3 nodisk -- "$UBLK" events nodisk
check "a number of no device" ends 0 -n 999 --timeout 1
check "a full disk" fails 1 "No space" -- sh -c '"$1" events -p --timeout 20 >/dev/full' sh "$UBLK"
pipe() {
	timeout "$((20 * SCALE))" bash -c '"$1" events -p | head -n 1' bash "$UBLK" >"$TMP/out" &&
		grep -q present "$TMP/out"
}
check "when nobody reads any more" pipe

for SCHEMA in "$LIB_DIR/../../../../ublksrv/etc/ublk.schema.json" \
	/usr/share/ublk/ublk.schema.json ""; do
	[ ! -f "$SCHEMA" ] || break
done
documents() {
	local line nr=0

	"$UBLK" events "$DEV" -p -c 2 --timeout 1 --json >"$TMP/json" 2>"$TMP/err"
	[ $? -eq 6 ] || return
	while read -r line; do
		nr=$((nr + 1))
		"$LIB_DIR/json_schema.py" "$SCHEMA" $((nr == 2 ? 6 : 0)) <<<"$line" ||
			{ echo "$line"; return 1; }
	done <"$TMP/json"
	[ "$nr" -eq 2 ] && python3 -c "
import json
one, last = map(json.loads, open('$TMP/json'))
assert one['event']['event'] == 'present' and one['event']['id'] == $DEV
assert one['event']['state'] == 'LIVE' and one['event']['pid'] == $(pid_of "$DEV")
assert 'event' not in last and last['errors'][0]['reason'] == 'timeout'"
}
if [ -n "$SCHEMA" ]; then
	check "documents" documents
else
	skip "documents" "no ublk.schema.json"
fi
finish
