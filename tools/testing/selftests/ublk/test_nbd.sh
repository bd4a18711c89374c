#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Target nbd on a real io_uring: connections over TCP, whose events come when the data
# has been read already, so that an idle connection is woken for nothing.
#
# runner: stock timeout=150

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=nbd.sh
. "$(dirname -- "$0")/nbd.sh"

require fio nbdkit
nbd_require nbd

# A command that was not sent stays in flight until --server-timeout, 60 s.
in_time() {
	local begin=$SECONDS

	"$@" || return
	[ $((SECONDS - begin)) -lt $((50 * SCALE)) ] || {
		echo "took $((SECONDS - begin)) s"
		return 1
	}
}

# Read all, let the connections be idle, read again.
reads() {
	local i

	for ((i = 0; i < 3; i++)); do
		blockdev --flushbufs "$BDEV"
		dd if="$BDEV" of=/dev/null bs=1M status=none || return
	done
}

verify() {
	fio_verify "$BDEV" --bsrange=4k-256k --iodepth=16 --size=8M
}

printf 'me:%064d\n' 7 >"$TMP/keys"

# on WORDS -- SERVER: a device with these words, on a server with those.
on() {
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	tcp_server "$@" || die "no server: $*"
	add_dev -t nbd --host 127.0.0.1 --port "$PORT" "${words[@]}"
	check "${words[*]} on $*: reads" in_time reads
	check "${words[*]} on $*: requests" in_time verify
	check "${words[*]} on $*: del" del_dev
	end_server
}

on --connections 4 -- memory 8M
on --usercopy --connections 3 -- --filter=delay memory 8M rdelay=2ms wdelay=1ms
on --connections 4 --tls-psk-file "$TMP/keys" --tls-username me -- \
	--tls=require --tls-psk="$TMP/keys" memory 8M

# The file system that run-ublk.mount makes, where % is written twice; two disks with what
# they keep by default.
options=$(sed -n 's/^Options=//p' "$LIB_SRV/etc/run-ublk.mount")
mkdir "$TMP/run"
mount -t tmpfs -o "${options//%%/%}" tmpfs "$TMP/run" || die "no file system: $options"
defer umount "$TMP/run"
export UBLK_RUN_DIR=$TMP/run
unix_server memory 8M || die "no server"
for i in 1 2; do
	check "at boot: $i that can be recovered" \
		try_add -t nbd --unix "$TMP/sock" --user-recovery
done
check "at boot: requests" verify
check "at boot: del" "$UBLK" del -a
finish
