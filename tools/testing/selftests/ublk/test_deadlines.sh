#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One device whose daemon is stopped with a request, while a stop waits for it:
# "ublk list" shows all devices soon, although mainline's driver does not tell the
# parameters of that one meanwhile (I-66), and every command on that device ends at
# its deadline, with status 6 and a message that names the device,
# its file, its daemon and what to do.
#
# runner: distro stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require dd

OTHERS=$(less 20)
# "Soon" is below a second; a machine may be four times slower.
SOON=4000

# within MS COMMAND...: the command succeeds in that time.
within() {
	local limit=$(($1 * SCALE)) start took
	shift

	start=$(now_ms)
	"$@" || { echo "failed"; return 1; }
	took=$(($(now_ms) - start))
	[ "$took" -le "$limit" ] || { echo "took $took ms"; return 1; }
}

has_line() {
	grep -q -- "$1" "$TMP/list"
}

# All devices are there. On mainline the stuck one has no parameters.
list_all() {
	"$UBLK" list >"$TMP/list" || return
	[ "$(grep -c '^dev id' "$TMP/list")" -eq "$((OTHERS + 1))" ] || return
	if [ "$driver" = ours ]; then
		[ "$(grep -c 'dev_capacity [0-9]' "$TMP/list")" -eq "$((OTHERS + 1))" ]
	else
		[ "$(grep -c 'dev_capacity [0-9]' "$TMP/list")" -eq "$OTHERS" ] &&
			has_line "^dev id $stuck: .* dev_capacity ?" &&
			has_line "note: .*$pid.*stopped"
	fi
}

list_one() {
	"$UBLK" list -n "$stuck" >"$TMP/list" || return
	[ "$driver" = ours ] || has_line 'dev_capacity ?'
}

# with FEATURE WHAT COMMAND...: a check of a command that not every driver has.
with() {
	local feature=$1
	shift

	if has_feature "$feature"; then
		check "$@"
	else
		skip "$1" "driver without $feature"
	fi
}

for ((i = 0; i < OTHERS; i++)); do
	add_dev -t null --no-auto-part-scan
done
# Only this project's driver has the attribute.
driver=mainline
[ ! -e "/sys/class/ublk-char/ublkc$DEV/timeout_action" ] || driver=ours
img=$(new_file store.img 16M)
add_dev -t loop -f "$img" -r --no-auto-part-scan
stuck=$DEV
pid=$(pid_of "$stuck")
check "daemon is stopped" kill -STOP "$pid"
defer kill -9 "$pid"
busywait 5000 halted "$pid"
dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none &
check "it has a request" busywait 5000 in_flight
names=("dev $stuck" "$img" "$pid" stopped "kill -CONT $pid" "kill -9 $pid")

# What cannot be printed is a failure.
for command in list "list --json" "list -n $stuck" features help; do
	check "$command >/dev/full" fails 1 "standard output" "No space left" -- \
		sh -c "'$UBLK' $command >/dev/full"
done
check "list: nothing is missing yet" within "$SOON" "$UBLK" list
with QUIESCE "quiesce" fails 6 "${names[@]}" -- "$UBLK" quiesce -n "$stuck" --timeout 500
check "recover after that" fails 7 "dev $stuck" "$pid" stopped "kill -9 $pid" -- \
	"$UBLK" recover -n "$stuck"
check "stop" fails 6 "${names[@]}" "after 1 s" -- "$UBLK" stop -n "$stuck" --timeout 1
check "that stop has the device" busywait 5000 list_one
check "list: all, soon" within "$SOON" list_all
check "list --json soon" within "$SOON" sh -c "'$UBLK' list --json >'$TMP/json'"
[ "$driver" = ours ] ||
	check "list --json: null" grep -q '"sectors": null' "$TMP/json"
check "list -n soon" within "$SOON" list_one
check "features soon" within "$SOON" "$UBLK" features
with UPDATE_SIZE "resize" fails 6 "${names[@]}" "after 1 s" -- \
	"$UBLK" resize -n "$stuck" -s 8M --timeout 1
check "set-affinity" within 2000 "$UBLK" set-affinity -n "$stuck" -q 0 --cpus 0
check "del" fails 6 "${names[@]}" "after 1 s" -- "$UBLK" del -n "$stuck" --timeout 1
check "del --async" fails 6 "${names[@]}" -- \
	"$UBLK" del -n "$stuck" --async --timeout 1
# The others are gone long before that, and there is one line. In mainline's driver
# the deletion that has begun has a lock that others need.
if [ "$driver" = ours ]; then
	check "del -a" fails 6 "${names[@]}" -- "$UBLK" del -a --timeout 8
	check "the others are gone" prints "/sys/class/ublk-char/ublkc$stuck" \
		sh -c 'echo /sys/class/ublk-char/*'
fi

kill -CONT "$pid"
check "the daemon continued: it is gone, too" busywait 10000 \
	not test -e "/dev/ublkc$stuck"
check "nothing is left" within 15000 "$UBLK" del -a
finish
