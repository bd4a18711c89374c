#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Target image on real images: a qcow2 image above another one, which stays as it is; an
# image that "ublk resize" makes larger while it is written; a luks image whose
# passphrase comes from a file or from a credential of systemd, and is nowhere else.
#
# runner: stock timeout=200

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=nbd.sh
. "$(dirname -- "$0")/nbd.sh"

require fio qemu-img qemu-storage-daemon
nbd_require image

verify() {
	fio_verify "$BDEV" --bsrange=4k-64k --iodepth=8 "$@"
}

sound() {
	qemu-img check -q "$TMP/$1"
}

image_bytes() {
	qemu-img info -U --output=json "$TMP/$1" | grep -q "\"virtual-size\": $2"
}

# --- a backing file

over_and_back() {
	local sum

	sum=$(sha256sum <"$TMP/base.img")
	cmp -n $((16 << 20)) "$BDEV" "$TMP/base.img" || return
	verify --offset=4M --size=4M || return
	"$UBLK" del -n "$DEV" || return
	[ "$(sha256sum <"$TMP/base.img")" = "$sum" ] || return
	add_dev -t image "$TMP/over.qcow2"
	# what was not written is still that of the base
	cmp -n $((4 << 20)) "$BDEV" "$TMP/base.img" &&
		cmp -i $((8 << 20)) -n $((8 << 20)) "$BDEV" "$TMP/base.img" &&
		verify --offset=4M --size=4M --verify_only
}

head -c 16M /dev/urandom >"$TMP/base.img"
qemu-img create -q -f qcow2 -F raw -b "$TMP/base.img" "$TMP/over.qcow2"
add_dev -t image "$TMP/over.qcow2"
check "backing file: verifies, and stays as it was" over_and_back
check "backing file: del" del_dev
check "backing file: the image is sound" sound over.qcow2

# --- resize

grows() {
	local pid

	# The writer goes on for as long as it takes, and is told to end.
	fio --name=io --filename="$BDEV" --direct=1 --rw=randwrite --bs=4k --iodepth=4 \
		--ioengine=io_uring --size=16M --offset=8M --time_based --runtime="$((60 * SCALE))" \
		--do_verify=0 --minimal >"$TMP/fio.out" 2>&1 &
	pid=$!
	busywait 10000 in_flight || return
	"$UBLK" resize -n "$DEV" -s 96M || return
	disk_bytes_are $((96 << 20)) || return
	image_bytes disk.qcow2 $((96 << 20)) || return
	kill -0 "$pid" || return
	kill -INT "$pid"
	wait "$pid"
	# terse format: the fifth field is the error
	awk -F';' '$1 == 3 { seen = 1; bad = $5 } END { exit !seen || bad }' \
		"$TMP/fio.out" || return
	verify --offset=64M --size=8M
}

smaller_and_larger() {
	"$UBLK" resize -n "$DEV" -s 32M && disk_bytes_are $((32 << 20)) &&
		image_bytes disk.qcow2 $((96 << 20)) &&
		"$UBLK" resize -n "$DEV" -s 96M && disk_bytes_are $((96 << 20)) &&
		verify --offset=64M --size=8M --verify_only
}

recovers() {
	kill_daemon || return
	"$UBLK" recover -n "$DEV" && disk_bytes_are $((96 << 20)) &&
		verify --offset=64M --size=8M --verify_only
}

qemu-img create -q -f qcow2 "$TMP/disk.qcow2" 64M
add_dev -t image "$TMP/disk.qcow2" --user-recovery-reissue
check "resize: larger, under IO" grows
check "resize: the disk smaller, and back" smaller_and_larger
check "resize: a recovery" recovers
check "resize: del" del_dev
check "resize: the image is sound" sound disk.qcow2

add_dev -t image "$TMP/disk.qcow2" --unflushed refuse
check "resize: refused where the disk would fail" \
	fails 1 "--unflushed refuse" -- "$UBLK" resize -n "$DEV" -s 128M
check "resize: del again" del_dev

# --- a secret

PASS=only-in-a-file-2718

# Nobody sees the passphrase: not in a command line, run-state, messages.
hidden() {
	local pid=$1 file

	! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$PASS" || return
	for file in $(pgrep -P "$pid"); do
		! tr '\0' ' ' <"/proc/$file/cmdline" | grep -q "$PASS" || return
	done
	! grep -rqs "$PASS" /run/ublk "$TMP/add.out" "$TMP/add.err" || return
	! "$UBLK" list -v -n "$DEV" | grep -q "$PASS"
}

mkdir "$TMP/cred"
printf %s "$PASS" >"$TMP/cred/luks"
qemu-img create -q -f luks --object secret,id=s,file="$TMP/cred/luks" \
	-o key-secret=s,iter-time=10 "$TMP/disk.luks" 16M
add_dev -t image "$TMP/disk.luks" --secret-file "$TMP/cred/luks"
check "luks: verifies" verify --size=4M
check "luks: the passphrase is hidden" hidden "$(pid_of "$DEV")"
check "luks: del" del_dev
check "luks: the file has none of the data" not cmp -n 4096 "$TMP/disk.luks" /dev/zero

export CREDENTIALS_DIRECTORY=$TMP/cred
add_dev -t image "$TMP/disk.luks" --secret-file credential:luks --user-recovery
check "credential: verifies" verify --size=4M --verify_only
check "credential: is hidden" hidden "$(pid_of "$DEV")"
unset CREDENTIALS_DIRECTORY
kill_daemon
check "credential: a recovery says what it misses" \
	fails 1 "credential:luks" CREDENTIALS_DIRECTORY -- "$UBLK" recover -n "$DEV"
export CREDENTIALS_DIRECTORY=$TMP/cred
check "credential: a recovery with it" "$UBLK" recover -n "$DEV"
check "credential: verifies again" verify --size=4M --verify_only
check "credential: del" del_dev
unset CREDENTIALS_DIRECTORY
finish
