#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Command lines that were written for ublksrv and for losetup, with nothing but the
# path of the program replaced. Where the kernel has loop devices, losetup itself
# runs its transcript as well, which shows that the transcript is right.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4 losetup python3 lsblk
PROG=$(readlink -f "$(command -v "$UBLK")")
mkdir "$TMP/dir" "$TMP/dir/mnt"
defer umount -q "$TMP/dir/mnt"
defer "$UBLK" del -a --force

# run_as WORD PROGRAM FILE: run a transcript in a new directory, with WORD as a
# command replaced by PROGRAM.
run_as() {
	sed -E "s#(^|[ (])$1 #\\1$2 #g" "$3" >"$TMP/transcript"
	rm -f "$TMP"/dir/*.img
	(cd "$TMP/dir" && timeout "$((60 * SCALE))" bash -exu "$TMP/transcript")
}

# transcript NAME WORD PROGRAM: from standard input. Nothing may be left behind.
transcript() {
	cat >"$TMP/lines"
	check "$1" run_as "$2" "$3" "$TMP/lines"
	[ "$3" != "$PROG" ] || check "$1: nothing is left" prints "" "$UBLK" list
	"$UBLK" del -a --force
}

gone() {
	transcript "ublksrv: $1" ublk "$PROG"
}

gone "null, list by word position" <<'EOF'
ublk add -t null -n 0 -q 2 -d 64 -u 1 -g 0 -r 0 -i 0 -e 0
test "$(ublk list -n 0 | head -n 1 | awk '{ print $1, $2, $3, $4, $6 }')" = "dev id 0: nr_hw_queues queue_depth"
test "$(ublk list -n 0 | awk '/daemon pid/ { print $9 }')" = LIVE
test -d "/proc/$(ublk list -n 0 | awk '/daemon pid/ { print $7 }')"
ublk list -n 0 -v | grep -q "^dev id 0: "
ublk list -v | grep -q "^dev id 0: "
ublk del -n 0
EOF

gone "loop in sectors, buffered" <<'EOF'
truncate -s 8M a.img
ublk add -t loop -f a.img --buffered_io --offset 4096s --debug_mask 0
test "$(blockdev --getsize64 /dev/ublkb0)" = 6291456
ublk del -a
EOF

gone "bundled letters, values in the same word" <<'EOF'
truncate -s 8M a.img
ublk add -zt loop -f a.img -q1 -d64 -u1
ublk list -n 0 | grep -q 'mode zero-copy'
ublk del -n 0 --async
while test -e /dev/ublkc0; do ublk features >/dev/null; done
ublk add -t null --usercopy --max_io_buf_bytes 65536
ublk list | grep -q 'max rq size 65536'
ublk del -a
EOF

gone "recovery" <<'EOF'
truncate -s 8M a.img
ublk add -t loop -n 0 -f a.img -r 1 -i 1
kill -9 "$(ublk list -n 0 | awk '/daemon pid/ { print $7 }')"
until ublk list -n 0 | grep -q 'state QUIESCED'; do ublk features >/dev/null; done
ublk recover -n 0
kill -9 "$(ublk list -n 0 | awk '/daemon pid/ { print $7 }')"
until ublk list -n 0 | grep -q 'state QUIESCED'; do ublk features >/dev/null; done
ublk recover -t loop -n 0
ublk list -n 0 | grep -q 'state LIVE'
ublk set_affinity -n 0 -q 0 --cpuset 0
ublk list -n 0 | grep -q 'queue 0: tid [0-9]* affinity('
ublk del -n 0
EOF

gone "recovery that fails IO" <<'EOF'
ublk add -t null -n 0 --user_recovery 1 --user_recovery_fail_io 1 --user_recovery_reissue 0
ublk list -n 0 | grep -q USER_RECOVERY_FAIL_IO
ublk del -n 0
EOF

gone "words without a device" <<'EOF'
ublk features | grep -q '^USER_COPY *: 0x80$'
ublk -v | grep -q '[0-9]'
ublk --version | grep -q '[0-9]'
ublk -h | grep -q add
ublk help -t loop | grep -q buffered
EOF

if has_feature SHMEM_ZC; then
	gone "shared memory" <<'EOF'
truncate -s 8M a.img
truncate -s 4M /dev/shm/ublk-words
ublk add -t loop -f a.img --shmem_zc --htlb /dev/shm/ublk-words --rdonly_shmem_buf
ublk list -n 0 | grep -q 'mode .*shared-memory'
dd if=/dev/zero of=/dev/ublkb0 bs=1M count=4 oflag=direct status=none
ublk del -n 0
rm /dev/shm/ublk-words
EOF
fi

eventfd() {
	python3 - "$PROG" <<-'PY'
		import os, subprocess, sys
		fd = os.eventfd(0)
		def add(*options):
		    return subprocess.run([sys.argv[1], "add", "--quiet",
		                           "--eventfd", str(fd), *options],
		                          pass_fds=[fd], stderr=subprocess.DEVNULL).returncode
		assert add("-t", "null", "-n", "6") == 0
		assert os.eventfd_read(fd) == 7
		assert add("-t", "null", "-n", "6") != 0
		assert os.eventfd_read(fd) == 2 ** 64 - 2
		assert subprocess.run([sys.argv[1], "recover", "-n", "6", "--eventfd",
		                       str(fd)], pass_fds=[fd],
		                      stderr=subprocess.DEVNULL).returncode != 0
		assert os.eventfd_read(fd) == 2 ** 64 - 2
		assert subprocess.run([sys.argv[1], "del", "-n", "6"]).returncode == 0
	PY
}
if command -v python3 >/dev/null; then
	check "--eventfd" eventfd
else
	skip "--eventfd" "no python3"
fi

# "add FILE" without -t: the file says whether it is a zoned disk.
type_of_file() {
	"$UBLK" add --quiet -n 0 "$1" && "$UBLK" list -n 0 >"$TMP/list" &&
		"$UBLK" del 0 && grep "^	target $2 " "$TMP/list"
}
truncate -s 8M "$TMP/plain.img"
check "a file" type_of_file "$TMP/plain.img" loop
if has_feature ZONED; then
	: >"$TMP/zoned.img"
	check "a zoned disk is made" "$UBLK" add -t zoned -n 0 --size 8M --zone-size 1M "$TMP/zoned.img"
	check "and deleted" "$UBLK" del 0
	check "its file" type_of_file "$TMP/zoned.img" zoned
else
	skip "a zoned file" "driver without ZONED"
fi
check "a target without -t" fails 2 "-t null" -- "$UBLK" add null

usage=2
check "-c of a disk that has no file" fails 1 "dev 0" "ublk resize -n 0" -- sh -c '
	"$1" add -t mem --size 1M -n 0 --quiet && "$1" -c 0' sh "$UBLK"
"$UBLK" del -a
check "-c of no device" fails 3 "dev 4" -- "$UBLK" -c 4
check "-L" fails "$usage" "ublk -j" -- "$UBLK" -f -L "$TMP/plain.img"
check "-u without a value" fails "$usage" --unprivileged -- "$UBLK" add -t null -u
truncate -s 8M "$TMP/a.img"
check "--offset without a unit" fails "$usage" "write 4K" "4096s" "2M" -- \
	"$UBLK" add -t loop -f "$TMP/a.img" --offset 4096
check "-o without a unit" fails "$usage" "write 4K" "4096s" "2M" -- \
	"$UBLK" add -t loop -f "$TMP/a.img" -o 4096
check "-t of another target" fails 1 "-t loop" -- sh -c '
	"$1" add -t loop -f "$2" -n 0 -r 1 --quiet &&
		kill -9 "$("$1" list -n 0 | awk "/daemon pid/ { print \$7 }")" &&
		"$1" recover -n 0 -t stripe' sh "$UBLK" "$TMP/a.img"
"$UBLK" del -a

cat >"$TMP/losetup.lines" <<'EOF'
truncate -s 16M disk.img
dev=$(losetup -f --show disk.img)
test "$dev" = "$(losetup -j disk.img | cut -d: -f1)"
mkfs.ext4 -q "$dev"
mount "$dev" mnt
echo data >mnt/file
umount mnt
losetup -j disk.img | grep -q "($PWD/disk.img)$"
losetup -a | grep -q "^$dev: \[.*disk.img)"
losetup "$dev" | grep -q "^$dev: "
losetup -d "$dev"
test -z "$(losetup -j disk.img)"
dev=$(losetup --find --show --offset 1M --sizelimit 4M --read-only --sector-size 4096 disk.img)
test "$(blockdev --getss "$dev")" = 4096
test "$(blockdev --getsize64 "$dev")" = 4194304
test "$(blockdev --getro "$dev")" = 1
losetup -j disk.img | grep -q ", offset 1048576, sizelimit 4194304$"
test "$(losetup -n -l --raw -O NAME,BACK-FILE,OFFSET,RO,LOG-SEC,SIZELIMIT)" = "$dev $PWD/disk.img 1048576 1 4096 4194304"
test "$(losetup -l -n -O back-file -j disk.img)" = "$PWD/disk.img"
test "$(losetup -l -O NAME,DIO | awk 'NR == 1 { print $1, $2 }')" = "NAME DIO"
losetup -J | python3 -c 'import json, sys; d, = json.load(sys.stdin)["loopdevices"]; assert d["back-file"].endswith("/disk.img") and d["offset"] == 1 << 20 and d["ro"] is True and d["log-sec"] == 4096'
test "$(losetup -l --output MAJ:MIN -n --raw)" = "$(lsblk -dno MAJ:MIN "$dev" | tr -d ' ')"
losetup | awk 'NR == 1 { exit !($1 == "NAME" && $6 == "BACK-FILE") }'
losetup --list "$dev" | grep -q " $PWD/disk.img "
losetup --detach "$dev"
truncate -s 4M b.img
dev=$(losetup -f --show b.img)
truncate -s 8M b.img
losetup -c "$dev"
test "$(blockdev --getsize64 "$dev")" = 8388608
truncate -s 2M b.img
losetup --set-capacity "$dev"
test "$(blockdev --getsize64 "$dev")" = 2097152
losetup -d "$dev"
test -z "$(losetup -l)"
truncate -s 4M b.img
dev=$(losetup -f)
test -z "$(losetup "$dev" b.img)"
test "$(losetup -j b.img | cut -d: -f1)" = "$dev"
losetup -d "$dev"
test -z "$(losetup -f b.img)"
losetup -r -P -f disk.img
losetup -D
test -z "$(losetup -a)"
EOF
transcript "losetup: disks" losetup "$PROG" <"$TMP/losetup.lines"
if modprobe -q loop && [ -e /dev/loop-control ] && [ -z "$(losetup -a)" ]; then
	transcript "losetup: disks (losetup itself)" losetup losetup <"$TMP/losetup.lines"
	losetup -D
else
	skip "losetup itself" "no loop devices, or some are in use"
fi
finish
