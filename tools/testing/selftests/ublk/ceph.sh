# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# For the tests of target rbd: a real Ceph of one host, one monitor and one OSD that
# keeps its data in a file, on the loopback. Sourced after lib.sh.

CEPH_DIR=
CEPH_PORT=6789

ceph_conf() {
	cat <<-CONF
		[global]
		fsid = $1
		mon host = v1:127.0.0.1:$CEPH_PORT
		mon initial members = a
		public addr = 127.0.0.1
		cluster addr = 127.0.0.1
		ms bind msgr2 = false
		auth cluster required = cephx
		auth service required = cephx
		auth client required = cephx
		osd pool default size = 1
		osd pool default min size = 1
		mon allow pool size one = true
		osd crush chooseleaf type = 0
		osd pool default pg num = 8
		osd pool default pgp num = 8
		osd pool default pg autoscale mode = off
		run dir = $CEPH_DIR
		admin socket = $CEPH_DIR/\$name.asok
		log file = $CEPH_DIR/\$name.log
		log to stderr = false
		keyring = $CEPH_DIR/keyring
		mon data = $CEPH_DIR/mon
		osd data = $CEPH_DIR/osd
		osd class dir = /usr/lib/x86_64-linux-gnu/rados-classes
		bluestore block size = 2147483648
		bluestore block create = true
		osd memory target = 939524096
		osd op num shards = 1
		osd op num threads per shard = 2
		mon data avail crit = 1
		mon data avail warn = 2
		mon pg warn min per osd = 0
		fatal signal handlers = false
		[osd]
		keyring = $CEPH_DIR/osd/keyring
		[client]
		admin socket =
		log file =
	CONF
}

ceph_daemon_pid() {
	pgrep -f -x "ceph-$1 -i $2 -c $CEPH_CONF"
}

ceph_daemon() {
	"ceph-$1" -i "$2" -c "$CEPH_CONF"
}

osd_is() {
	ceph osd stat 2>/dev/null | grep -q "$1"
}

# The first one after mkfs, or after a death, can find the file locked for a moment.
osd_start() {
	busywait 20000 ceph_daemon osd 0
}

osd_kill() {
	local pid

	pid=$(ceph_daemon_pid osd 0) || return
	kill -9 "$pid"
	busywait 10000 ended "$pid"
}

osd_restart() {
	osd_kill && osd_start
}

ceph_end() {
	local pid

	for pid in $(ceph_daemon_pid osd 0) $(ceph_daemon_pid mon a); do
		kill -9 "$pid"
	done
}

ceph_make_keyring() {
	ceph-authtool --create-keyring "$CEPH_DIR/keyring" --gen-key -n mon. --cap mon 'allow *' &&
		ceph-authtool "$CEPH_DIR/keyring" --gen-key -n client.admin \
			--cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
}

ceph_make_mon() {
	monmaptool --create --clobber --addv a "[v1:127.0.0.1:$CEPH_PORT]" --fsid "$1" \
		"$CEPH_DIR/monmap" &&
		ceph-mon --mkfs -i a -c "$CEPH_CONF" --monmap "$CEPH_DIR/monmap" \
			--keyring "$CEPH_DIR/keyring" &&
		ceph_daemon mon a &&
		busywait 120000 timeout "$((20 * SCALE))" ceph -s
}

ceph_make_osd() {
	local uuid key

	uuid=$(cat /proc/sys/kernel/random/uuid)
	key=$(ceph-authtool --gen-print-key)
	printf '{"cephx_secret": "%s"}' "$key" | ceph osd new "$uuid" -i - &&
		ceph-authtool --create-keyring "$CEPH_DIR/osd/keyring" -n osd.0 \
			--add-key "$key" &&
		ceph-osd -i 0 -c "$CEPH_CONF" --mkfs --osd-uuid "$uuid" \
			--keyring "$CEPH_DIR/osd/keyring" &&
		osd_start && busywait 120000 osd_is '1 up'
}

# ceph_start: a cluster with the pool "rbd", until the end of the test; CEPH_CONF is set.
ceph_start() {
	local fsid

	CEPH_DIR=$TMP/ceph
	mkdir -p "$CEPH_DIR/mon" "$CEPH_DIR/osd"
	export CEPH_CONF=$CEPH_DIR/ceph.conf
	fsid=$(cat /proc/sys/kernel/random/uuid)
	ceph_conf "$fsid" >"$CEPH_CONF"
	defer ceph_end
	{
		ceph_make_keyring && ceph_make_mon "$fsid" && ceph_make_osd &&
			ceph osd pool create rbd 8 && rbd pool init rbd
	} >"$TMP/ceph.out" 2>&1 || {
		tail -n 20 "$TMP/ceph.out" "$CEPH_DIR"/*.log | sed 's/^/#   /'
		return 1
	}
}
