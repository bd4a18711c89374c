#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk upgrade": another program takes over under verifying IO, in the same process of the
# supervisor; one that does not come up, in each way, leaves the old one, or has it
# continue.
#
# runner: stock timeout=400

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio python3 cc feature:QUIESCE
use_conf_dir
defer "$UBLK" del -a --force
img=$(new_file img 32M)
DEV=4 BDEV=/dev/ublkb4
declare_dev disk "file = $img" "user-recovery-reissue = yes" "number = $DEV"
first=$TMP/ublk-first
other=$TMP/ublk-other
cp "$(command -v "$UBLK")" "$first"
cp "$(command -v "$UBLK")" "$other"

"$first" serve disk 2>"$TMP/log" &
SUPERVISOR=$!
defer kill -9 "$SUPERVISOR"
busywait 30000 state_is "$DEV" LIVE || { cat "$TMP/log"; die "no disk"; }

# program NAME PID: the process executes that file.
program() {
	[ "$(readlink "/proc/$2/exe")" = "$1" ] || { readlink "/proc/$2/exe"; return 1; }
}

# both NAME: server and supervisor do, and the supervisor is the same process.
both() {
	local pid

	pid=$(pid_of "$DEV")
	kill -0 "$SUPERVISOR" && program "$1" "$SUPERVISOR" && program "$1" "$pid" &&
		"$UBLK" list -n "$DEV" | grep -qx "	supervisor pid $SUPERVISOR"
}

# upgrade NAME: and say how long IO waited.
upgrade() {
	"$1" upgrade "$DEV" >"$TMP/upgraded" 2>&1 || { cat "$TMP/upgraded" "$TMP/log"; return 1; }
	grep -Ex "$BDEV: upgraded, served by process [0-9]+, supervised by process $SUPERVISOR; IO waited [0-9]+\.[0-9] ms" \
		"$TMP/upgraded" || { cat "$TMP/upgraded"; return 1; }
	sed 's/.*waited \(.*\) ms/\1/' "$TMP/upgraded" >>"$TMP/pauses"
}

# ask PROGRAM: have the supervisor upgrade to a file; prints the answer.
ask() {
	timeout "$((150 * SCALE))" python3 - "/run/ublk/disk.socket" "$1" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.connect(sys.argv[1])
		s.sendall(b"upgrade " + sys.argv[2].encode() + b"\n")
		while (text := s.recv(4096)):
		    sys.stdout.write(text.decode())
	PY
}

# refused PROGRAM TEXT: it is not what serves afterwards, and the answer says why.
refused() {
	ask "$1" >"$TMP/answer"
	cat "$TMP/answer"
	grep -q "^failed .*$2" "$TMP/answer" && both "$first" && reads
}

reads() {
	timeout "$((30 * SCALE))" dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct status=none
}

# broken NAME: a program that passes the check, and then does what the input says.
broken() {
	{
		echo '#!/bin/bash'
		echo "[ \"\$1\" != serve ] || exec '$other' \"\$@\""
		cat
	} >"$TMP/$1"
	chmod 755 "$TMP/$1"
}

FIO_SECONDS=660
fio_verify "$BDEV" --offset=1M --size=16M --iodepth=8 --bs=4k --time_based \
	--runtime="$((600 * SCALE))" 2>"$TMP/fio.err" &
fio=$!
defer kill "$fio"
check "the supervisor is listed" both "$first"
: >"$TMP/pauses"
for i in $(seq "$(less 4)"); do
	check "upgrade under IO" upgrade "$other"
	check "server and supervisor have the other program, the supervisor is the same process" both "$other"
	check "and back" upgrade "$first"
	check "server and supervisor have it again" both "$first"
done
sort -n "$TMP/pauses" >"$TMP/sorted"
say "pause of IO in ms: median $(sed -n "$((($(wc -l <"$TMP/sorted") + 1) / 2))p" "$TMP/sorted"), maximum $(tail -n 1 "$TMP/sorted")"
check "the same program" prints "$BDEV: is served by this program" "$first" upgrade disk
old=$(pid_of "$DEV")
upgrade_force() {
	"$first" upgrade --force disk && [ "$(pid_of "$DEV")" != "$old" ] && both "$first"
}
check "again with --force" upgrade_force
check "kill -9 of a server of an upgraded supervisor" kill -9 "$(pid_of "$DEV")"
check "is followed by the next server" reads
busywait 30000 state_is "$DEV" LIVE || die "no server"

# What does not come up.
check "no such file" refused "$TMP/nosuch" "No such file"
echo "no program" >"$TMP/text"
check "a file that is no program" refused "$TMP/text" "Permission denied"
check "a program that fails" refused /bin/false "ended with status 1"
broken silent <<<'exit 3'
check "one whose server fails before it takes over" refused "$TMP/silent" "ended with status 3"
broken dies <<-SH
	'$other' quiesce -n $DEV
	kill -9 \$\$
SH
check "one that dies when the old server has handed over" refused "$TMP/dies" \
	"signal 9 .*; the old program serves it again, IO waited [0-9.]* ms"
broken fails <<-SH
	'$other' quiesce -n $DEV
	exec '$other' recover -n $DEV --json -t null --foreground
SH
check "one that cannot continue the device" refused "$TMP/fails" "was added with -t loop.*the old program serves it again"
broken hangs <<-SH
	'$other' quiesce -n $DEV
	exec sleep 1000
SH
check "one that hangs" refused "$TMP/hangs" "not ready in time.*the old program serves it again"
check "after all that, upgrade" upgrade "$other"
check "works" both "$other"
check "IO goes on" kill -0 "$fio"
# The signal goes to "timeout", which passes it on; field 5 of the report is the error.
pkill -TERM -P "$fio"
wait "$fio"
no_errors() {
	cat "$TMP/fio.err"
	awk -F';' '$1 == 3 { found = 1; bad = bad || $5 } END { exit !found || bad }' "$TMP/fio.out" &&
		not grep -E "verify:|error=[1-9]" "$TMP/fio.out" "$TMP/fio.err"
}
check "without an error, and with the right data" no_errors
check "down" "$UBLK" down disk
wait "$SUPERVISOR"
check "ends the supervisor" test $? -eq 0

# Without a supervisor.
rm "$UBLK_CONF_DIR/disk.conf"
"$first" add -n "$DEV" -i 1 "$img" --quiet || die "add"
alone() {
	"$1" upgrade "$DEV" >"$TMP/upgraded" && program "$1" "$(pid_of "$DEV")" && reads &&
		grep -E "^$BDEV: upgraded, served by process [0-9]+; IO waited [0-9.]+ ms$" "$TMP/upgraded"
}
check "without a supervisor" alone "$other"
check "--all" "$first" upgrade --all
check "has that program" program "$first" "$(pid_of "$DEV")"
check "--json" sh -c "'$other' upgrade --all --json | tee '$TMP/json' | grep -q '\"action\": \"upgraded\"'"

# A program that dies after the old daemon has handed over: only one with --replace
# locks its memory.
cat >"$TMP/preload.c" <<-'C'
	#include <dlfcn.h>
	#include <pthread.h>
	#include <stdlib.h>

	typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	static int locked;

	int mlockall(int flags)
	{
		locked = flags;
		return 0;
	}

	int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
	{
		if (locked)
			abort();
		return ((create *)dlsym(RTLD_NEXT, "pthread_create"))(t, a, f, arg);
	}
C
cc -D_GNU_SOURCE -shared -fPIC -o "$TMP/preload.so" "$TMP/preload.c" || die "cc"
check "a daemon that dies when the old one has handed over" fails 1 "the old program serves it again" -- \
	env LD_PRELOAD="$TMP/preload.so" "$first" upgrade "$DEV"
check "the old program serves" program "$other" "$(pid_of "$DEV")"
check "the disk" reads
mv "$img" "$img.away"
check "a store that is gone" fails 1 "No such file" "and the old program" -- "$first" upgrade "$DEV"
mv "$img.away" "$img"
check "a device without a server" fails 1 "no server" recover -- "$first" upgrade "$DEV"
check "recover" "$first" recover -n "$DEV" --quiet
check "del" "$UBLK" del -n "$DEV"
add_dev -t null
check "a device that cannot be recovered" fails 1 "dev $DEV" user-recovery -- "$first" upgrade "$DEV"
check "which device" fails 2 "ID or --all" -- "$first" upgrade
check "no such device" fails 3 nothere -- "$first" upgrade nothere
del_dev || die "deleting device $DEV"
finish
