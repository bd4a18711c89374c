#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Servers that have acknowledged writes and not flushed them are killed again and again
# while fio writes, and so is the daemon. Then one fsync, a last kill, and everything is
# read from the file: nothing that was acknowledged is missing. "trust" shows that the
# servers do lose writes. "make check-net" has more cases, and kills more often.
#
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=nbd.sh
. "$(dirname -- "$0")/nbd.sh"

require fio nbdkit qemu-img qemu-storage-daemon
nbd_require nbd

KILLS=${UBLK_NBD_KILLS:-2}
IOPS=300
# Blocks of 4 KiB, each written once, for a second between the kills.
BLOCKS=$(((KILLS + 1) * IOPS)) BLOCKS_DEPTH=8 BLOCKS_SECONDS=100

helper_pid() {
	pgrep -P "$(pid_of "$DEV")" | head -n 1
}

kill_helper() {
	kill -9 "$(helper_pid)"
}

kill_server() {
	end_server KILL
	unix_server "${SERVER[@]}"
}

kill_daemon_and_server() {
	kill_daemon
	[ ! -e "$TMP/server.pid" ] || kill_server
	"$UBLK" recover -n "$DEV"
}

# lossy KILL...: write all blocks, and run KILL when some have been written, again and
# again; then fsync, and KILL a last time.
lossy() {
	fio_meanwhile "$IOPS" 30000 "$KILLS" "$@" || return
	blockdev --flushbufs "$BDEV" || return
	"$@" || return
	busywait 30000 dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct
}

intact() {
	fio_blocks --verify_only
}

# loss_case NAME KILL WORD...: with "ublk add WORD..."
loss_case() {
	local name=$1 kill=$2
	shift 2

	add_dev "$@"
	check "$name: fio, servers killed" lossy "$kill"
	check "$name: nothing is missing" intact
	check "$name: del" del_dev
}

new_disk() {
	rm -f "$TMP/disk"
	new_file disk 64M >/dev/null
}

new_qcow2() {
	rm -f "$TMP/disk.qcow2"
	qemu-img create -q -f qcow2 -o cluster_size=4k "$TMP/disk.qcow2" 64M
}

# Clusters that nothing uses are what a killed server may leave, status 3.
qcow2_is_sound() {
	qemu-img check "$TMP/disk.qcow2" || [ $? -eq 3 ]
}

export TMPDIR=$TMP
SERVER=(--filter=cache file "$TMP/disk" cache=writeback)

new_disk
unix_server "${SERVER[@]}" || die "no server"
loss_case "nbd and daemon" kill_daemon_and_server -t nbd --unix "$TMP/sock" \
	--user-recovery-reissue
end_server

if [ -n "${UBLK_NBD_KILLS:-}" ]; then
	new_disk
	unix_server "${SERVER[@]}" || die "no server"
	loss_case "nbd" kill_server -t nbd --unix "$TMP/sock" --connections 3
	end_server
	new_disk
	loss_case "nbdkit" kill_helper -t nbdkit -- "${SERVER[@]}"
	new_qcow2
	loss_case "image and daemon" kill_daemon_and_server \
		-t image "$TMP/disk.qcow2" --user-recovery-reissue
	check "image and daemon: the file is sound" qcow2_is_sound
fi

new_qcow2
loss_case "image" kill_helper -t image "$TMP/disk.qcow2"
check "image: the file is sound" qcow2_is_sound

new_qcow2
add_dev -t image "$TMP/disk.qcow2" --unflushed trust
check "trust: fio, servers killed" lossy kill_helper
check "trust: blocks are missing" not intact
check "trust: del" del_dev
check "no server is left" busywait 5000 not pgrep -x 'nbdkit|qemu-storage-d.*'
finish
