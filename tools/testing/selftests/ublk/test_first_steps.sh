#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a new user does with nothing but the first example of ublk.1: in less than ten
# commands a mounted ext4, a second disk by name, a look at who uses the first one, and
# everything away again. Each command does what the reader expects.
#
# runner: stock udev

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 python3
page=$LIB_DIR/../../../../ublksrv/man/ublk.1.rst
[ -e "$page" ] || skip_all "no manual pages here"
[ ! -e /dev/ublkc0 ] || skip_all "device 0 is in use"
use_udev_rules
PATH=$(dirname -- "$PROG"):$PATH
defer umount -q /mnt

mapfile -t lines < <(awk '
	/^EXAMPLES$/ { section = 1 }
	section && /^\t/ { seen = 1; print substr($0, 2); next }
	seen && NF { exit }' "$page")

few() {
	printf '%s\n' "${lines[@]}"
	[ "${#lines[@]}" -gt 5 ] && [ "${#lines[@]}" -lt 10 ]
}
check "less than ten commands" few

# step PATTERN: run the next command, which has to be of this kind. What it prints is
# in $TMP/out.
step() {
	local line=${lines[0]-}

	lines=("${lines[@]:1}")
	echo "$line"
	# shellcheck disable=SC2053 # a pattern
	[[ $line = $1 ]] || { echo "not a command as $1"; return 1; }
	# shellcheck disable=SC2164
	(cd "$TMP" && timeout "$((60 * SCALE))" bash -ec "$line") >"$TMP/out" 2>"$TMP/err" &&
		[ ! -s "$TMP/err" ]
	local status=$?
	cat "$TMP/out" "$TMP/err"
	return "$status"
}

check "a file" step "truncate *"
check "a disk" step "ublk add *"
check "is there" test -b /dev/ublkb0
check "mkfs" step "mkfs.ext4 *"
check "mount" step "mount *"
check "is a file system" sh -c "echo data >/mnt/file && mountpoint -q /mnt"
check "a second disk" step "ublk add --name scratch *"
check "has its name" test -b /dev/disk/by-ublk/scratch
check "a look at them" step "ublk list -v"
check "shows who uses the first one" grep -q "used by ublkb0 is mounted on /mnt" "$TMP/out"
check "that nobody uses the second one" grep -q "used by nobody" "$TMP/out"
check "what the daemon has" grep -q "oom_score_adj -1000 locked .* io_flusher 1 realtime 0" "$TMP/out"
check "a disk in use is not deleted" fails 7 "/mnt" umount -- "$UBLK" rm 0
check "nor without its name" fails 7 "/mnt" -- "$UBLK" rm /dev/ublkb0
exec 8</dev/disk/by-ublk/scratch
opener() {
	"$UBLK" list -v scratch --json >"$TMP/out" && python3 -c "
import json
d, = json.load(open('$TMP/out'))['devices']
assert 'process $$ ' in d['users'], d['users']"
}
check "and who has the second one open" opener
exec 8<&-
check "umount" step "umount *"
check "the first one goes" step "ublk rm 0"
check "the second one goes by name" step "ublk rm scratch"
check "nothing is left" prints "" "$UBLK" list
check "no command is left" test "${#lines[@]}" -eq 0
finish
