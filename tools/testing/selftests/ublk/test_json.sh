#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What --json prints is valid, for commands that succeed and for some that fail, with
# the facts of a device in it.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require python3
for SCHEMA in "$LIB_SRV/etc/ublk.schema.json" \
	/usr/share/ublk/ublk.schema.json ""; do
	[ ! -f "$SCHEMA" ] || break
done
[ -n "$SCHEMA" ] || skip_all "no ublk.schema.json"

# valid STATUS COMMAND...: the exit status, one document, one line on standard error
# if it fails.
valid() {
	local want=$1 status
	shift

	"$UBLK" "$@" --json >"$TMP/json" 2>"$TMP/err"
	status=$?
	cat "$TMP/json" "$TMP/err"
	[ "$status" -eq "$want" ] || { echo "status $status, not $want"; return 1; }
	[ "$(wc -l <"$TMP/err")" -eq $((status != 0)) ] || return
	"$LIB_DIR/json_schema.py" "$SCHEMA" "$status" <"$TMP/json"
}

# has EXPRESSION: of the last document, d; the first device is v.
has() {
	python3 -c "
import json, sys
d = json.load(open('$TMP/json'))
v = (d.get('devices') or [{}])[0]
sys.exit(not ($1))" || { echo "not $1"; return 1; }
}

img=$(new_file img 16M)
check "no devices" valid 0 list
check "an empty array" has "d['devices'] == []"
check "add" valid 0 add -t loop -f "$img" -n 5 -r --name scratch --offset 1M --size 8M
LIB_DEVS+=(5)
DEV=5
check "number, node and name" has "(v['id'], v['node'], v['name']) == (5, '/dev/ublkb5', 'scratch')"
check "file and options" has "v['options']['file'] == '$img' and v['options']['offset'] == 1 << 20"
check "size" has "v['sectors'] * 512 == 8 << 20"
check "its daemon" has "v['daemon']['oom_score_adj'] == -1000 and '--name scratch' in v['daemon']['command']"
check "is an IO flusher" has "v['daemon']['io_flusher'] is True and v['daemon']['realtime'] == 0"
check "list -v" valid 0 list -v
check "says who uses it" has "v['users'] == 'nobody'"
check "events" valid 0 events --timeout 1
check "number in use" valid 7 add -t null --name scratch
check "an error has reason and message" has "d['errors'][0]['reason'] == 'in-use' and 'scratch' in d['errors'][0]['message']"
check "list" valid 0 list
check "list has the device" has "v['state'] == 'LIVE' and v['target'] == 'loop'"
check "stat" valid 0 stat scratch -n 5
check "stat has the device" has "[s['target'] for s in d['stats']] == ['loop']"
check "stat in a time" valid 0 stat -i 1
check "top" valid 0 top scratch
check "top has the device" has "d['stats'][0]['threads'][0]['read']['requests'] == 0"
check "losetup -J" valid 0 -l -J
check "has devices" has "v['id'] == 5"
check "losetup -c of no file" valid 3 -c 6
check "events of no device" valid 6 events -n 6 -c 1 --timeout 1
check "stat of no device" valid 3 stat 6
check "list -j" valid 0 list -j "$img"
check "list -j has it" has "len(d['devices']) == 1"
check "list -j of another file" valid 0 list -j /dev/null
check "has none" has "d['devices'] == []"
export UBLK_CONF_DIR=$TMP
echo "type = null" >"$TMP/declared.conf"
check "apply --dry-run" valid 0 apply --dry-run
check "would add" has "d['actions'] == [{'name': 'declared', 'action': 'added', 'dry_run': True, 'id': None, 'node': None}]"
check "up" valid 0 up declared
check "adds" has "d['actions'][0]['action'] == 'added' and d['actions'][0]['node'].startswith('/dev/ublkb')"
check "down" valid 0 down --all
check "removes" has "d['actions'][0]['action'] == 'removed' and d['actions'][0]['id'] is None"
echo "depth = 3" >"$TMP/declared.conf"
check "up of a wrong file" valid 1 up declared
check "names it" has "'declared.conf' in d['errors'][0]['message']"
rm "$TMP/declared.conf"
check "gc" valid 0 gc --dry-run
check "has nothing to remove" has "d['removed'] == []"
doctor() {
	valid 1 doctor || valid 0 doctor
}
check "doctor" doctor
check "has checked the device" has "[c for c in d['checks'] if c['check'] == 'devices' and c['ok'] and 'dev 5 ' in c['text']]"
check "features" valid 0 features
check "features has names" has "'USER_COPY' in d['feature_names']"
check "resize" valid 0 resize -n 5 -s 4M
check "resize to nothing" valid 2 resize -n 5 -s 0
check "set-affinity" valid 0 set-affinity -n 5 -q 0 --cpus 0
check "set-affinity of no queue" valid 1 set-affinity -n 5 -q 9 --cpus 0
check "recover of a live device" valid 7 recover -n 5
check "quiesce" valid 0 quiesce -n 5
check "stat without a server" valid 1 stat 5
check "stat of all without a server" valid 0 stat
check "has a note" has "'has ended' in d['stats'][0]['note']"
check "list of a quiesced device" valid 0 list
check "waits" has "v['state'] == 'QUIESCED' and v['daemon'] is None"
check "recover" valid 0 recover -n 5
check "recover prints the device" has "v['id'] == 5 and v['name'] == 'scratch'"
check "losetup's list" valid 0 -a
check "losetup's list has it" has "v['id'] == 5"
check "udev-name" valid 0 udev-name 5
check "is the name" has "d['name'] == 'scratch'"
check "stop" valid 0 stop -n 5
check "list of a dead device" valid 0 list -n 5
check "del" valid 0 del -n 5
check "no such device" valid 3 del -n 5
check "says so" has "d['errors'][0]['reason'] == 'no-device'"
check "del -a" valid 0 del -a
finish
