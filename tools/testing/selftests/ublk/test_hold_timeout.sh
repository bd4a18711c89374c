#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# --hold-timeout: IO of a device without a server is held for so long, then it fails;
# so a sync ends, and an unmount. The device can be recovered before and after.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require mkfs.ext4
add_dev -t null
[ -e "/sys/class/ublk-char/ublkc$DEV/hold_timeout" ] || skip_all "driver without hold_timeout"
del_dev || die "deleting device $DEV"

lists() {
	"$UBLK" list -n "$DEV" | grep -qx -e "	$1"
}

img=$(new_file img 32M)
check "an option of devices that hold IO" fails 2 hold-timeout user-recovery -- "$UBLK" add --hold-timeout 3 "$img"
check "not of those that fail it" fails 2 hold-timeout -- "$UBLK" add -e 1 --hold-timeout 3 "$img"
add_dev -r 1 --hold-timeout 30 "$img"
check "list prints it" lists "hold timeout 30 s"
check "so does --json" sh -c "'$UBLK' list -n $DEV --json | grep -q '\"hold_timeout\": 30'"
check "kill -9" kill_daemon
check "recover" "$UBLK" recover -n "$DEV" --quiet
check "keeps it" lists "hold timeout 30 s"
del_dev || die "deleting device $DEV"

add_dev -i 1 --hold-timeout 4 "$img"
BDEV=/dev/ublkb$DEV
mkfs.ext4 -q "$BDEV" || die "mkfs.ext4"
mkdir "$TMP/mnt"
mount "$BDEV" "$TMP/mnt" || die "mount"
defer umount -q "$TMP/mnt"
dd if=/dev/zero of="$TMP/mnt/file" bs=64k count=4 conv=fsync status=none || die "write"
started=$(now_ms)
check "kill -9" kill_daemon
dd if=/dev/urandom of="$TMP/mnt/file" bs=64k count=4 conv=notrunc status=none
check "a write that is synced fails" not timeout "$((30 * SCALE))" sync "$TMP/mnt/file"
check "after the time" test "$(($(now_ms) - started))" -ge 4000
check "the device fails IO then" state_is "$DEV" FAIL_IO
check "the file system is unmounted" timeout "$((30 * SCALE))" umount "$TMP/mnt"
check "recover" "$UBLK" recover -n "$DEV" --quiet
check "serves it again" dd if="$BDEV" of=/dev/null bs=64k count=4 iflag=direct status=none
check "the file system is there" sh -c "e2fsck -fp '$BDEV' >/dev/null; test \$? -le 1"
del_dev || die "deleting device $DEV"

# Declared.
use_conf_dir
defer "$UBLK" down --all --force
declare_dev disk "file = $img" "user-recovery = yes" "hold-timeout = 7"
check "a declaration" "$UBLK" up disk
check "has it, too" sh -c "'$UBLK' list disk | grep -qx '	hold timeout 7 s'"
check "down" "$UBLK" down disk
finish
