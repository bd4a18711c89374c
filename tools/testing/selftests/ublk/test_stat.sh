#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The counters of "ublk stat" are what fio has counted, in every mode. They are there
# when the server is stopped or keeps a request, and gone with it.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio python3

# has EXPRESSION: of the last document; s is the device, t its threads.
has() {
	python3 -c "
import json, sys
s = json.load(open('$TMP/json'))['stats'][0]
t = s.get('threads', [])
total = lambda op, key: sum(x[op][key] for x in t)
sys.exit(not ($1))" || { echo "not $1"; cut -c1-2000 "$TMP/json"; return 1; }
}

read_stat() {
	"$UBLK" stat "$DEV" --json "$@" >"$TMP/json"
}

run_fio() {
	timeout "$((60 * SCALE))" fio --name=stat --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --rw=randrw --norandommap --size=16M --randrepeat=1 \
		--number_ios="$(less 600)" --iodepth=8 --bs="$1" --fsync=50 \
		--output-format=json --output="$TMP/fio.json"
}

# The requests since $TMP/before are those of fio.
equal() {
	python3 - "$TMP" <<-'PY'
		import json, sys
		def load(name):
		    return json.load(open(f"{sys.argv[1]}/{name}", encoding="utf-8"))
		fio = load("fio.json")["jobs"][0]
		docs = [load("before")["stats"][0], load("json")["stats"][0]]
		bad = 0
		def count(op, key):
		    a, b = (sum(t[op][key] for t in d["threads"]) for d in docs)
		    return b - a
		for op in "read", "write":
		    for key, want in (("requests", fio[op]["total_ios"]),
		                      ("bytes", fio[op]["io_bytes"]), ("errors", 0)):
		        got = count(op, key)
		        print(f"{op} {key}: fio {want}, stat {got}")
		        bad |= got != want or (key != "errors" and not want)
		flushes, syncs = count("flush", "requests"), fio["sync"]["total_ios"]
		print(f"flushes: fio {syncs}, stat {flushes}")
		bad |= docs[1]["target"] == "loop" and flushes < syncs
		for t in docs[1]["threads"]:
		    bad |= t["in_flight"] != 0 or sum(t["read"]["log2_ns"]) != t["read"]["measured"]
		sys.exit(bad)
	PY
}

compare() {
	run_fio "$1" && read_stat && equal
}

# options of add, and block size
while read -r bs options; do
	# shellcheck disable=SC2086 # a list of options
	try_add ${options/FILE/$(new_file img 16M)} || {
		grep -Eq "does not offer|lacks" "$TMP/add.err" || die "ublk add $options"
		skip "$options" "the driver cannot"
		continue
	}
	echo 2 >"/sys/block/ublkb$DEV/queue/nomerges"
	read_stat
	mv "$TMP/json" "$TMP/before"
	check "$options: requests and bytes are those of fio" compare "$bs"
	del_dev || die "deleting device $DEV"
done <<END
4k -t null -q 2 -d 32
4k -t loop -f FILE --copy --no-batch-io
8k -t loop -f FILE --copy -b
4k -t loop -f FILE --usercopy -q 2
16k -t loop -f FILE --zerocopy --no-batch-io
4k -t loop -f FILE --zerocopy -b -d 64
4k -t mem --size 16M --per-io-threads 2
END

# A server that keeps a request.
add_dev -t fault --rule read:delay=600000,sectors=16384-16391 -r --name slow \
	"$(new_file slow 16M)"
dd if="$BDEV" of=/dev/null bs=4k skip=2048 count=1 iflag=direct status=none 2>/dev/null &
defer kill -9 $!
keeps() {
	read_stat && has "t[0]['in_flight'] == 1 and s['in_flight'] == 1 and t[0]['quiet_seconds'] > 1"
}
check "a request that the server keeps is in flight" busywait 20000 keeps
check "the table says so" grep -q "queue 0: the thread has not taken a turn for .* has 1 of the requests" \
	<("$UBLK" stat slow)
pid=$(pid_of "$DEV")
kill -STOP "$pid"
check "its server is stopped" busywait 5000 halted "$pid"
check "the counters of a stopped server" read_stat
check "say that it is" has "s['server'] == 'stopped' and s['name'] == 'slow'"
kill -CONT "$pid"

check "it dies" kill_daemon
check "a dead server has no counters" fails 1 "dev $DEV" "has ended" -- "$UBLK" stat slow
check "the list of all goes on" grep -q "^dev $DEV: .*has ended" <("$UBLK" stat)
"$UBLK" recover -n "$DEV" >/dev/null
check "the next one begins with 0" read_stat
check "says when it began" has "s['seconds'] < 60 * $SCALE and s['pid'] != $pid"
del_dev || die "deleting device $DEV"
check "no such device" fails 3 "dev $DEV" -- "$UBLK" stat "$DEV"

# Rates and reports.
add_dev -t null
reports() {
	"$UBLK" stat "$DEV" -i 1 -c 2 >"$TMP/reports"
}
check "two reports" reports
check "have two tables" prints 2 grep -c "READ/s" "$TMP/reports"
check "--count alone" fails 2 "--interval" -- "$UBLK" stat -c 2
dd if="$BDEV" of=/dev/null bs=4k count=100 iflag=direct status=none
check "a histogram" grep -Eq "latency of read: [0-9]+ of [0-9]+ requests" \
	<("$UBLK" stat "$DEV" -H)
finish
