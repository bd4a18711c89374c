#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk recover" replaces a killed daemon with only the run-state file, for each
# recovery option. Held IO continues. If recovery is impossible, the command is
# refused with one line.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:USER_RECOVERY cmp

# says WORD... -- COMMAND...: the command fails and prints one line with these words.
says() {
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	if timeout "$((30 * SCALE))" "$@" >"$TMP/out" 2>"$TMP/err"; then
		echo "status 0"
		return 1
	fi
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] || { echo "not one line"; return 1; }
	for word in "${words[@]}"; do
		grep -qi -- "$word" "$TMP/err" || { echo "no \"$word\""; return 1; }
	done
}

recover() {
	timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" >"$TMP/recover.out" || return
	"$UBLK" list -n "$DEV" | cmp - "$TMP/recover.out"
}

flags_have() {
	"$UBLK" list -n "$DEV" | grep "^	flags" | grep -qw -- "$1"
}

img=$(new_file img 16M)
dd if=/dev/urandom of="$TMP/data" bs=1M count=8 status=none

# Recovery takes no options: it must find them in the record.
add_dev -t loop -f "$img" -r -q 2 -d 16 --size 12M --offset 1M --buffered-io
old=$(pid_of "$DEV")
check "-r: flag" flags_have USER_RECOVERY
check "data is written" dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
check "recover while it is served" says "still served" "$old" quiesce -- \
	"$UBLK" recover -n "$DEV"
check "the daemon is killed" kill_daemon QUIESCED
check "its record is kept" test -s "/run/ublk/$DEV.json"
check "list shows the target" grep -q "^	target loop.*$img" <("$UBLK" list -n "$DEV")

# A read that the driver holds until the next daemon.
timeout "$((20 * SCALE))" dd if="$BDEV" of="$TMP/back" bs=1M count=8 iflag=direct status=none &
reader=$!
check "a read is held" busywait 5000 waiting
check "it is recovered, and prints what list prints" recover
check "state" state_is "$DEV" LIVE
check "another process" test "$(pid_of "$DEV")" -ne "$old"
check "the held read ends" wait "$reader"
check "with the data" cmp "$TMP/data" "$TMP/back"
check "the file has it where it belongs" cmp -n 8388608 -i 0:1048576 "$TMP/data" "$img"
check "size is as before" prints 12582912 blockdev --getsize64 "$BDEV"

# Recover again, from the record that the first recovery wrote.
check "killed again" kill_daemon QUIESCED
mv "/run/ublk/$DEV.json" "$TMP/record"
check "without a record" says "no such file" "recover -n $DEV -t TARGET" "ublk del" -- "$UBLK" recover -n "$DEV"
echo "{" >"/run/ublk/$DEV.json"
check "with a damaged record" says damaged "recover -n $DEV -t TARGET" "ublk del" -- "$UBLK" recover -n "$DEV"
sed 's/"depth": 16/"depth": 17/' "$TMP/record" >"/run/ublk/$DEV.json"
check "with the record of another device" says earlier -- "$UBLK" recover -n "$DEV"
mv "$TMP/record" "/run/ublk/$DEV.json"
truncate -s 4M "$img"
check "the file has become too short" says "$img" enlarge -- "$UBLK" recover -n "$DEV"
check "which leaves it waiting" state_is "$DEV" QUIESCED
truncate -s 16M "$img"
check "recovered with the longer file" recover
pid=$(pid_of "$DEV")
check "the pid is that of a process" kill -0 "$pid"
check "it is deleted" del_dev
check "and its record" not test -e "/run/ublk/$DEV.json"

add_dev -t loop -f "$img" --user-recovery-reissue
check "-i implies -r" flags_have USER_RECOVERY
check "-i: flag" flags_have USER_RECOVERY_REISSUE
check "-i: killed" kill_daemon QUIESCED
check "-i: recovered" recover
check "-i: reads" dd if="$BDEV" of=/dev/null bs=1M iflag=direct status=none
check "-i: killed again" kill_daemon QUIESCED
check "-i: deleted without a daemon" del_dev
check "-i: no record is left" not test -e "/run/ublk/$DEV.json"

add_dev -t null --user-recovery-fail-io
check "-e: flag" flags_have USER_RECOVERY_FAIL_IO
check "-e: killed" kill_daemon FAIL_IO
io_fails() {
	timeout "$((10 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
	[ $? -eq 1 ]
}
check "-e: IO fails without a daemon" io_fails
check "-e: recovered" recover
check "-e: reads" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
check "-e: deleted" del_dev

add_dev -t null
pid=$(pid_of "$DEV")
check "without -r: refused" says "cannot be recovered" user-recovery -- \
	"$UBLK" recover -n "$DEV"
kill -9 "$pid"
check "without -r: DEAD" busywait 5000 state_is "$DEV" DEAD
check "without -r: refused when dead" says "cannot be recovered" -- \
	"$UBLK" recover -n "$DEV"
check "without -r: deleted" del_dev
check "no such device" says "no such device" -- "$UBLK" recover -n 77
check "-i and -e" says exclude -- "$UBLK" add -t null -i -e
finish
