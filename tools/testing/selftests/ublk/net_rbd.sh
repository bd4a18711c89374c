#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Target rbd on a real Ceph: sizes, snapshots, namespaces, the lock and a second client;
# OSDs and daemons that are killed under verifying writes without fsync, after which
# nothing that was acknowledged is missing; refusals with a reason; the examples of the
# manual page. "make check-net" runs it, in a guest with Ceph.
#
# runner: stock timeout=1200

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=ceph.sh
. "$(dirname -- "$0")/ceph.sh"

require fio ceph-mon ceph-osd rbd blkdiscard
target_require rbd librbd

ROUNDS=${UBLK_NBD_KILLS:-6}
IOPS=400
BLOCKS=$(((ROUNDS + 1) * 100)) BLOCKS_DEPTH=8 BLOCKS_SECONDS=$((60 + ROUNDS * 40))

image_is() {
	rbd info "$1" --format json | grep -q "\"size\":$2"
}

verify() {
	fio_verify "$BDEV" --bsrange=4k-256k --iodepth=16 --size=8M "$@"
}

add_rbd() {
	add_dev -t rbd "$@"
}

# lossy KILL: write all blocks without fsync, run KILL again and again meanwhile.
lossy() {
	fio_meanwhile "$IOPS" 120000 "$ROUNDS" "$@"
}

intact() {
	fio_blocks --verify_only
}

# --- data, discard, size

zeroes() {
	cmp -n "$2" -i "$1:0" "$BDEV" /dev/zero
}

writes_zeroes() {
	dd if=/dev/urandom of="$BDEV" bs=1M count=8 oflag=direct status=none || return
	blkdiscard -z -o $((1 << 20)) -l $((1 << 20)) "$BDEV" || return
	blkdiscard -z -o $(((4 << 20) + 4096)) -l 8192 "$BDEV" || return
	blkdiscard -o $((6 << 20)) -l $((1 << 20)) "$BDEV" || return
	blockdev --flushbufs "$BDEV"
	zeroes $((1 << 20)) $((1 << 20)) && zeroes $(((4 << 20) + 4096)) 8192 &&
		not zeroes $(((4 << 20) + 12288)) 4096
}

again() {
	"$UBLK" del -n "$DEV" && add_rbd rbd/img --user-recovery-reissue && verify --verify_only
}

follows_rbd() {
	rbd resize --size 96M rbd/img && busywait 20000 disk_bytes_are $((96 << 20)) &&
		verify --offset=80M
}

follows_ublk() {
	"$UBLK" resize -n "$DEV" -s 128M && disk_bytes_are $((128 << 20)) &&
		image_is rbd/img $((128 << 20)) && verify --offset=112M
}

follows_down() {
	rbd resize --allow-shrink --size 64M rbd/img && busywait 20000 disk_bytes_are $((64 << 20))
}

# --- snapshots, names

snapshot() {
	local sum

	sum=$(sha256sum <"$BDEV") || return
	rbd snap create rbd/img@then --no-progress || return
	dd if=/dev/urandom of="$BDEV" bs=1M count=4 oflag=direct status=none || return
	first=$DEV
	add_rbd rbd/img@then
	[ "$(sha256sum <"$BDEV")" = "$sum" ] || return
	! dd if=/dev/zero of="$BDEV" bs=4k count=1 oflag=direct status=none 2>/dev/null || return
	del_dev || return
	DEV=$first
	BDEV=/dev/ublkb$DEV
}

# --- the lock

second() {
	fails 7 "exclusive lock" -- "$UBLK" add -t rbd rbd/img
}

second_reads() {
	local first=$DEV

	add_rbd rbd/img --read-only && cmp -n 1M "$BDEV" "/dev/ublkb$first" && del_dev
	DEV=$first
	BDEV=/dev/ublkb$DEV
}

# --- deaths

# Requests wait for an OSD that is gone, and nobody takes the daemon for hung.
osd_away() {
	osd_kill || return
	busywait 20000 waiting || return
	# the queue's thread answers
	"$UBLK" list -n "$DEV" | grep -q LIVE || return
	"$UBLK" stat "$DEV" >/dev/null || return
	osd_start
}

daemon_dies() {
	kill_daemon && "$UBLK" recover -n "$DEV"
}

blocklisted() {
	[ "$(ceph osd blocklist ls 2>/dev/null | grep -c '127.0.0.1')" -ge "$ROUNDS" ]
}

# Another process serves the disk after a kill, and the image has a lock again.
fenced() {
	local old

	old=$(pid_of "$DEV")
	kill_daemon && "$UBLK" recover -n "$DEV" &&
		[ "$(pid_of "$DEV")" != "$old" ] &&
		rbd lock ls rbd/img --format json | grep -q locker
}

# --- examples

run_examples() {
	local example

	awk -v out="$TMP/example" '
		/^EXAMPLES$/ { section = 1 }
		/^DESCRIPTION$/ { exit }
		section && /^\t/ { if (!open) file = out (++nr); open = 1
			print substr($0, 2) >file; next }
		/^[^\t]/ { open = 0 }' "$LIB_SRV/man/ublk-rbd.5.rst"
	[ -e "$TMP/example2" ] || return
	for example in "$TMP"/example*; do
		mkdir -p "$TMP/dir"
		(cd "$TMP/dir" && timeout "$((200 * SCALE))" bash -ex "$example") || {
			"$UBLK" del -a
			return 1
		}
		[ ! -e /dev/ublkc0 ] || return
	done
}

ceph_start || die "no Ceph"
say "Ceph runs after $SECONDS s"
rbd create --size 64M rbd/img
add_rbd rbd/img --user-recovery-reissue
check "verifies" verify
check "discard and write zeroes" writes_zeroes
check "verifies once more" verify
check "is there again" again
check "rbd resize, the disk follows" follows_rbd
check "ublk resize, the image follows" follows_ublk
check "rbd resize to less, the disk follows" follows_down
check "a snapshot stays as it was, and is read-only" snapshot
check "the lock keeps a second writer away" second
check "a reader needs no lock" second_reads
check "OSD killed: fio, IO waits" lossy osd_away
check "OSD killed: nothing is missing" intact
check "daemon killed: fio" lossy daemon_dies
check "daemon killed: nothing is missing" intact
check "daemon killed: its clients are on the blocklist" blocklisted
check "daemon killed: the lock is the new one's" fenced
check "both killed: fio" lossy eval 'osd_kill && kill_daemon && osd_start && "$UBLK" recover -n "$DEV"'
check "both killed: nothing is missing" intact
check "del" del_dev
check "del leaves no file" not ls /run/ublk/*.rbd

rbd namespace create rbd/ns && rbd create --size 16M rbd/ns/img
add_rbd rbd/ns/img
check "namespace: verifies" verify
check "namespace: del" del_dev
add_rbd rbd/img --namespace ns
check "namespace: by its option" disk_bytes_are $((16 << 20))
check "namespace: del by its option" del_dev

# A user with a key of its own, from a credential.
ceph auth get-or-create client.disk mon 'profile rbd' osd 'profile rbd' >"$TMP/disk.key" 2>/dev/null
mkdir "$TMP/cred"
mv "$TMP/disk.key" "$TMP/cred/disk"
CREDENTIALS_DIRECTORY=$TMP/cred add_rbd rbd/img --id disk --keyring credential:disk
check "user: verifies" verify
check "user: the key is hidden" not grep -rqF "$(awk '/key/ { print $3 }' "$TMP/cred/disk")" \
	/run/ublk "$TMP/add.out" "/proc/$(pid_of "$DEV")/cmdline"
check "user: del" del_dev

check "no such image" fails 1 "No such file" -- "$UBLK" add -t rbd rbd/none
check "no such pool" fails 1 "pool" -- "$UBLK" add -t rbd none/img
check "a name without a pool" fails 1 "POOL/IMAGE" -- "$UBLK" add -t rbd img
rbd config image set rbd/img rbd_cache true
check "a cache by metadata is refused" fails 1 "rbd_cache" -- "$UBLK" add -t rbd rbd/img
rbd config image remove rbd/img rbd_cache
rbd snap rm rbd/img@then --no-progress
rbd rm --no-progress rbd/img
check "the examples of the page" run_examples
osd_kill
check "no OSD: a message in time" fails 6 "does not answer" -- \
	"$UBLK" add -t rbd rbd/ns/img --connect-timeout 5
finish
