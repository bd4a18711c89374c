#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk shutdown": disks that nobody uses go, those on which the store of another one lies
# after that one, with the file systems that have stores. A disk in use stays and is served;
# one that has no server is taken away from its users, so that nothing waits for it.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4
case $(stat -f -c %T "$TMP") in
tmpfs | ramfs) ;;
*) [ "$(findmnt -n -o TARGET -T "$TMP")" = / ] || skip_all "$TMP is on a disk that this would unmount" ;;
esac
defer "$UBLK" del -a --force

# add_fs DIR ARGS...: a disk with a file system, mounted there.
add_fs() {
	local dir=$1
	shift

	add_dev "$@"
	mkfs.ext4 -q "$BDEV" || die "mkfs.ext4"
	mkdir "$dir"
	mount "$BDEV" "$dir" || die "mount"
	defer umount -q -l "$dir"
}

is_mounted() {
	mountpoint -q "$1"
}

# The users of the one above, and the file system with its store.
says_who() {
	timeout "$((60 * SCALE))" "$UBLK" shutdown 2>"$TMP/err" && return 1
	cat "$TMP/err"
	grep -q "dev $above: .*mounted on $TMP/b" "$TMP/err" &&
		grep -q "$TMP/a: cannot be unmounted" "$TMP/err"
}

add_fs "$TMP/a" -t loop "$(new_file a.img 64M)"
below=$DEV
truncate -s 32M "$TMP/a/b.img"
add_fs "$TMP/b" -t loop "$TMP/a/b.img"
above=$DEV
echo data >"$TMP/b/file"

# The one above is in use, and so is the store of it.
check "a disk in use" says_who
check "stays" is_mounted "$TMP/b"
check "and is served" sh -c "echo more >>'$TMP/b/file' && sync '$TMP/b/file'"
check "with the one below" state_is "$below" LIVE

umount "$TMP/b" || die "umount"
check "nobody uses it" timeout "$((60 * SCALE))" "$UBLK" shutdown
check "both are gone" prints "" "$UBLK" list
check "with the file system between them" not is_mounted "$TMP/a"
add_dev -t loop "$TMP/a.img"
check "which was unmounted before its disk went" sh -c "dumpe2fs -h '$BDEV' 2>/dev/null | grep '^Filesystem state: *clean$'"
check "and has the file" sh -c "mount '$BDEV' '$TMP/a' && test -s '$TMP/a/b.img' && umount '$TMP/a'"
check "nothing is lost" del_dev

# A disk that is mounted and waits for a server.
add_fs "$TMP/c" -t loop -r --hold-timeout 0 "$(new_file c.img 32M)"
dd if=/dev/zero of="$TMP/c/file" bs=64k count=16 conv=fsync status=none || die "write"
check "a server dies" kill_daemon
dd if=/dev/zero of="$TMP/c/file" bs=64k count=16 conv=fsync,notrunc status=none 2>/dev/null &
writer=$!
check "a process waits for the disk" busywait 10000 grep -q '^State:.D' "/proc/$writer/status"
check "the disk goes" timeout "$((60 * SCALE))" "$UBLK" shutdown
check "and nothing is left" prints "" "$UBLK" list
wait "$writer"
check "the process has got an error" test $? -ne 0
finish
