#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Target nbd over a network that goes wrong: a server in a network namespace of its own,
# whose packets nft drops or rejects, and tc delays, loses, duplicates and reorders; and
# servers that are slow or return errors, by filters of nbdkit. No byte is wrong, nothing
# waits longer than the page of the target says, and errors come after that, or from the
# server. "make check-net" runs it, in a guest with nft, ip and tc.
#
# runner: stock timeout=600

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source=nbd.sh
. "$(dirname -- "$0")/nbd.sh"

require fio nbdkit ip nft tc module:veth
nbd_require nbd

ROUNDS=$(less "${UBLK_NBD_KILLS:-8}")
ADDRESS=10.99.0.1
IOPS=400
# A second of writes for each round, and half a minute for what each may take.
BLOCKS=$(((ROUNDS + 1) * IOPS)) BLOCKS_DEPTH=16 BLOCKS_SECONDS=$((60 + ROUNDS * 30))
MEMORY=$((BLOCKS * 4096 + (64 << 20)))

far() {
	ip netns exec ublk-test "$@"
}

make_net() {
	ip netns add ublk-test || return
	defer ip netns del ublk-test
	ip link add ublk-near type veth peer name ublk-far netns ublk-test || return
	defer ip link del ublk-near
	ip addr add 10.99.0.2/24 dev ublk-near
	ip link set ublk-near up
	far ip addr add "$ADDRESS/24" dev ublk-far
	far ip link set lo up
	far ip link set ublk-far up
}

# It is killed at the end: nbdkit would wait for connections of which it does not know
# that they are cut.
far_server() {
	far nbdkit -P "$TMP/server.pid" -i "$ADDRESS" -p 10841 "$@"
}

# cut drop|"reject with tcp reset": until mend
cut() {
	far nft -f - <<-RULES
		table inet cut {
			chain in {
				type filter hook input priority 0;
				meta l4proto tcp $1
			}
			chain out {
				type filter hook output priority 0;
				meta l4proto tcp $1
			}
		}
	RULES
}

mend() {
	far nft delete table inet cut
}

# The target has given up its connections, and cannot make another one.
disconnected() {
	[ -z "$(ss -Htn state established dst "$ADDRESS")" ]
}

# broken HOW: write all blocks; break the network with the function HOW, again and again.
broken() {
	fio_meanwhile "$IOPS" 60000 "$ROUNDS" "$@" || {
		ss -tn
		return 1
	}
}

# cut_and_mend HOW: until the target has given up
cut_and_mend() {
	local ret=0

	cut "$*" || return
	busywait 20000 disconnected || ret=1
	mend && return "$ret"
}

far_down() {
	far ip link set ublk-far down
	pause 0.3
	far ip link set ublk-far up
}

# case_of NAME HOW WORD...: "ublk add" with these words
case_of() {
	local name=$1 how=$2
	shift 2

	far_server memory "$MEMORY" || die "no server"
	add_dev -t nbd --host "$ADDRESS" --port 10841 --server-timeout 2 "$@"
	# shellcheck disable=SC2086 # words
	check "$name: fio" broken $how
	check "$name: every byte is right" fio_blocks --verify_only
	check "$name: del" del_dev
	end_server KILL
}

# Within the bound of --server-timeout 1 and --reconnect-timeout 3, and EIO.
fails_in_time() {
	local begin took

	begin=$(now_ms)
	! dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct 2>"$TMP/dd" || return
	took=$(($(now_ms) - begin))
	echo "took $took ms"
	cat "$TMP/dd"
	grep -q "Input/output error" "$TMP/dd" &&
		[ "$took" -ge "$1" ] && [ "$took" -lt $((12000 * SCALE)) ]
}

reads() {
	dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
}

make_net || skip_all "no network namespace"
case_of "reset" "cut_and_mend reject with tcp reset"
case_of "reset, three connections" "cut_and_mend reject with tcp reset" --connections 3
case_of "silence" "cut_and_mend drop"
case_of "link down" far_down --connections 3

tc qdisc add dev ublk-near root netem delay 5ms 3ms loss 2% duplicate 1% reorder 20% &&
	case_of "loss and delay" true --connections 3
tc qdisc del dev ublk-near root 2>/dev/null

# A cut that does not end.
far_server memory 64M || die "no server"
add_dev -t nbd --host "$ADDRESS" --port 10841 --server-timeout 1 --reconnect-timeout 3
check "no end: reads before" reads
cut drop
check "no end: an error, at the bound" fails_in_time 3000
mend
check "no end: reads after" busywait 10000 reads
check "no end: del" del_dev
end_server KILL

# A server that is alive, and too slow. The kernel would look for partitions by a dozen of
# reads, one after the other, and keep dd from opening the disk until each has failed.
far_server --filter=delay memory 64M rdelay=30 || die "no server"
add_dev -t nbd --host "$ADDRESS" --port 10841 --server-timeout 1 --reconnect-timeout 3 \
	--no-auto-part-scan
check "too slow: an error, at the bound" fails_in_time 3000
check "too slow: del" del_dev
end_server KILL

# Errors of the server are the disk's, at once, and the connection goes on.
touch "$TMP/errors"
far_server --filter=error memory 64M error=EIO error-rate=100% "error-file=$TMP/errors" ||
	die "no server"
add_dev -t nbd --host "$ADDRESS" --port 10841
check "errors: of the server" fails_in_time 0
rm "$TMP/errors"
check "errors: the same connection goes on" reads
check "errors: every byte is right" fio_blocks --size=4M
check "errors: del" del_dev
end_server KILL
finish
