#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Wrong input to "ublk add" and "ublk del": the program prints one line that names
# cause and cure, exits with a status other than 0, and leaves nothing behind.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require capsh

# As there are many checks, and slow kernels, start few processes: look for
# daemons once, at the end.
nodes() {
	local all=(/dev/ublk[bc]* /run/ublk/*)

	left="${all[*]}"
}

# refused STATUS WORD... -- COMMAND...: the command exits with that status (0: any
# but 0), prints one line with all these words, and leaves nothing behind.
refused() {
	local want=$1 words=() status before err left
	shift

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	nodes
	before=$left
	timeout "$((60 * SCALE))" "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	mapfile -t err <"$TMP/err"
	printf '%s\n' "${err[@]}"
	[ "$status" -ne 0 ] || { echo "status 0"; return 1; }
	[ "$status" -lt 120 ] || { echo "status $status"; return 1; }
	[ "$want" -eq 0 ] || [ "$status" -eq "$want" ] || {
		echo "status $status, not $want"
		return 1
	}
	[ ! -s "$TMP/out" ] || { echo "standard output is not empty"; return 1; }
	[ "${#err[@]}" -eq 1 ] || { echo "not one line"; return 1; }
	for word in "${words[@]}"; do
		[[ ${err[0],,} = *"${word,,}"* ]] || { echo "no \"$word\""; return 1; }
	done
	nodes
	[ "$left" = "$before" ] || { echo "left behind: $left"; return 1; }
}

img=$(new_file img 16M)
: >"$TMP/empty"
truncate -s 1000 "$TMP/odd"
usage=2
add=("$UBLK" add)

check "no command" refused "$usage" help -- "$UBLK"
check "unknown command" refused "$usage" frobnicate help -- "$UBLK" frobnicate
check "no target" refused "$usage" -t -- "${add[@]}"
check "unknown target" refused "$usage" nosuch help -- "${add[@]}" -t nosuch
check "unknown option" refused "$usage" frob -- "${add[@]}" -t null --frob
check "option of another target" refused "$usage" offset -- "${add[@]}" -t null --offset 1M
check "missing file option" refused "$usage" file -- "${add[@]}" -t loop
check "missing file" refused 0 nosuch "no such" -- "${add[@]}" -t loop -f "$TMP/nosuch"
check "file is a directory" refused 0 "$TMP" -- "${add[@]}" -t loop -f "$TMP"
check "empty file" refused 0 empty "size is 0" truncate -- "${add[@]}" -t loop -f "$TMP/empty"
check "size 0" refused "$usage" size -- "${add[@]}" -t loop -f "$img" --size 0
check "size not a multiple of the block size" refused 0 odd multiple -- \
	"${add[@]}" -t loop -f "$TMP/odd"
check "--size not a multiple" refused 0 multiple -- "${add[@]}" -t loop -f "$img" --size 1000
check "--size beyond the end" refused 0 size -- "${add[@]}" -t loop -f "$img" --size 17M
check "--offset beyond the end" refused 0 offset -- "${add[@]}" -t loop -f "$img" --offset 16M
check "--offset not a multiple" refused 0 offset multiple -- \
	"${add[@]}" -t loop -f "$img" --offset 1s --sector-size 4K
check "--offset without unit" refused "$usage" offset 2M 4096s -- \
	"${add[@]}" -t loop -f "$img" --offset 4096
check "-u without a value" refused "$usage" --unprivileged -- "${add[@]}" -t null -u
check "--size is no number" refused "$usage" size -- "${add[@]}" -t loop -f "$img" --size lots
for n in 0 4097 -1 x ""; do
	check "depth '$n'" refused "$usage" depth -- "${add[@]}" -t null -d "$n"
	check "queues '$n'" refused "$usage" queues -- "${add[@]}" -t null -q "$n"
done
for n in -1 1048576 x ""; do
	check "number '$n'" refused "$usage" number -- "${add[@]}" -t null -n "$n"
done
check "del: no number" refused "$usage" "-n" -- "$UBLK" del
check "del: no such device" refused 3 "no such" list -- "$UBLK" del -n 77
check "list: no such device" refused 3 "no such" list -- "$UBLK" list -n 77
check "list: unknown option" refused "$usage" frob -- "$UBLK" list --frob

add_dev -t null
check "number in use" refused 0 "$DEV" use -- "${add[@]}" -t null -n "$DEV"
check "the device is as before" dd if="$BDEV" of=/dev/null bs=64k count=1 \
	iflag=direct status=none
check "device is deleted" del_dev

# A file on a file system that is mounted read-only.
mkdir "$TMP/ro"
mount --bind "$TMP" "$TMP/ro" && defer umount "$TMP/ro"
mount -o remount,bind,ro "$TMP/ro"
check "unwritable file" refused 0 img read-only -- "${add[@]}" -t loop -f "$TMP/ro/img"

# Neither root nor CAP_SYS_ADMIN: with and without access to the node.
chmod 755 "$TMP"
check "no permission for the node" refused 4 permission root -- \
	capsh --user=nobody -- -c "exec \"$(command -v "$UBLK")\" add -t null"
chmod 666 /dev/ublk-control
check "no permission to add" refused 4 "not permitted" root -- \
	capsh --user=nobody -- -c "exec \"$(command -v "$UBLK")\" add -t null"
chmod 600 /dev/ublk-control

# Without the driver, and without its node.
if [ -e /sys/module/ublk_drv/refcnt ] && [ -z "$("$UBLK" list)" ]; then
	# Rename it in place: unloading the driver would not remove a copy.
	mv /dev/ublk-control /dev/ublk-control.away
	check "no /dev/ublk-control" refused 5 ublk-control -- "${add[@]}" -t null
	mv /dev/ublk-control.away /dev/ublk-control
	# The kernel may release the last command's file a little later.
	busywait 5000 rmmod ublk_drv
	defer modprobe ublk_drv
	# The program loads it unless that is switched off.
	loader=$(cat /proc/sys/kernel/modprobe)
	defer sh -c "echo $loader >/proc/sys/kernel/modprobe"
	echo >/proc/sys/kernel/modprobe
	check "no module" refused 5 modprobe -- "${add[@]}" -t null
	check "list without module" refused 5 modprobe -- "$UBLK" list
	echo "$loader" >/proc/sys/kernel/modprobe
	modprobe ublk_drv
else
	skip "no /dev/ublk-control" "the module cannot be unloaded"
fi
# A daemon that failed has printed the reason before it exits.
check "no daemon is left" busywait 5000 not pgrep -x 'ublk|kublk'
finish
