#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A client truncates the file of the shared memory while its request is with the
# daemon: that request fails, the daemon serves the others and logs what happened.
# A memfd that may be sealed is sealed, so that it cannot be truncated.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio feature:SHMEM_ZC

area=/dev/shm/ublk-test-area.$$
defer rm -f "$area"
img=$(new_file img 32M)

served() {
	timeout "$((30 * SCALE))" dd if="$BDEV" of=/dev/null bs=64k count=16 iflag=direct \
		status=none &&
		timeout "$((30 * SCALE))" dd if=/dev/zero of="$BDEV" bs=64k count=16 \
			oflag=direct status=none
}

# Start the daemon in the foreground, with its log in a file.
serve() {
	: >"$TMP/add.out"
	"$UBLK" add "$@" --no-auto-part-scan --foreground --shmem_zc "$area" >"$TMP/add.out" 2>"$TMP/log" &
	daemon=$!
	busywait 20000 grep -q '^dev id' "$TMP/add.out" || die "no device: $(cat "$TMP/log")"
	DEV=$(sed -n 's/^dev id \([0-9]*\):.*/\1/p' "$TMP/add.out")
	LIB_DEVS+=("$DEV")
	BDEV=/dev/ublkb$DEV
}

in_area() {
	timeout "$((60 * SCALE))" fio --name=x --filename="$BDEV" --direct=1 --ioengine=psync \
		--mem=mmapshared:"$area" --size=64k --bs=64k --rw="$1" \
		>"$TMP/fio.$2" 2>&1
}

# truncated read|write OPTION...
truncated() {
	local what="$1, ${*:3}" rw=$1
	shift

	truncate -s 8M "$area"
	serve "$@"
	kill -STOP "$daemon"
	busywait 5000 halted "$daemon"
	in_area "$rw" 1 &
	client=$!
	check "$what: a request waits" busywait 30000 in_flight
	truncate -s 0 "$area"
	kill -CONT "$daemon"
	wait "$client"
	check "$what: its sender gets an error" test $? -ne 0
	check "$what: the daemon lives" not ended "$daemon"
	check "$what: the log says why" grep -qE "$log" "$TMP/log"
	check "$what: other requests" served
	truncate -s 8M "$area"
	check "$what: the file has its size again" in_area "$rw" 2
	del_dev || die "del"
	wait "$daemon"
}

# The daemon itself touches the memory, or io_uring does.
log="the file of the shared memory was truncated; requests with data at [0-9]+ and behind"
truncated read -t mem --size 32M --no-batch-io
truncated write -t mem --size 32M --batch-io
log="backing store: (read|write) at offset [0-9]+, length 65536: Bad address; the file of the shared memory was truncated"
truncated write -t loop -f "$img" --copy --no-batch-io
truncated read -t loop -f "$img" --usercopy --no-batch-io

if command -v python3 >/dev/null; then
	cat >"$TMP/memfd.py" <<-'END'
	import os, sys
	fd = os.memfd_create("area", os.MFD_ALLOW_SEALING)
	os.ftruncate(fd, 8 << 20)
	with open(sys.argv[1], "w") as out:
	    print("/proc/%d/fd/%d" % (os.getpid(), fd), file=out)
	sys.stdin.readline()
	try:
	    os.ftruncate(fd, 4096)
	except PermissionError:
	    sys.exit(0)
	sys.exit(1)
	END
	mkfifo "$TMP/go"
	python3 "$TMP/memfd.py" "$TMP/name" <"$TMP/go" &
	maker=$!
	exec 9>"$TMP/go"
	busywait 10000 test -s "$TMP/name" || die "no memfd"
	area=$(cat "$TMP/name")
	serve -t mem --size 32M
	echo >&9
	wait "$maker"
	check "a sealed memfd keeps its size" test $? -eq 0
	exec 9>&-
	check "the daemon serves" served
	del_dev || die "del"
fi
finish
