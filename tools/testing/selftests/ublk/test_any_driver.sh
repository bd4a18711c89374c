#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The program on whatever driver is loaded, that of a distribution's older kernel for
# example: a disk in a file is added, in the fastest mode that the driver has, keeps
# verified data, is listed and deleted, and survives its daemon where the driver has
# recovery. What the driver lacks is refused with one line that says so.
#
# runner: stock distro

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio cmp

"$UBLK" features >"$TMP/features"
say "$(head -n 1 "$TMP/features"), kernel $(uname -r)"
sed -n 's/^  \([A-Z_]*\) .*needs/lacks \1, which needs/p' "$TMP/features" |
	while read -r line; do
		say "$line"
	done

mode_is() {
	prints "	mode $1" grep "^	mode" <("$UBLK" list -n "$DEV")
}

# Every block that is written is read back, and is in the file behind the disk.
data_passes() {
	fio_verify "$BDEV" --bsrange=512-128k --iodepth=16 --size="$(less 4096)k" &&
		dd if="$TMP/data" of="$BDEV" bs=64k oflag=direct status=none &&
		cmp -n 2097152 "$TMP/data" "$img" &&
		dd if="$BDEV" bs=32k count=64 iflag=direct status=none | cmp - "$TMP/data"
}

# lacks FEATURE WORD... -- COMMAND...: without the feature, the command is refused
# with these words; with it there is nothing to test.
lacks() {
	local feature=$1
	shift

	has_feature "$feature" || check "refused without $feature" fails 1 "$@"
}

img=$(new_file img 32M)
head -c 2M /dev/urandom >"$TMP/data"

want=copy
! has_feature AUTO_BUF_REG || want=zero-copy
! has_feature BATCH_IO || want+=" batch"
add_dev -t loop -f "$img"
check "the fastest mode is chosen" mode_is "$want"
check "list shows the file" grep -q "target loop.*$img" <("$UBLK" list -n "$DEV")
check "state" state_is "$DEV" LIVE
check "the disk has the size of the file" prints 33554432 blockdev --getsize64 "$BDEV"
check "data" data_passes
pid=$(pid_of "$DEV")
case $(uname -r) in
7.3.*)
	# ours has this feature, and the kernel's driver of that series is known to be bad
	bad=1
	! has_feature EXTENTS || bad=0
	check "doctor says whether the driver is a bad one" \
		prints "$bad" sh -c "'$UBLK' doctor | grep -c '^BAD module: .* the one of the kernel 7.3: .*; load the driver of this package' || :"
	;;
esac
lacks UPDATE_SIZE UPDATE_SIZE "ublk features" -- "$UBLK" resize -n "$DEV" --size 16M
lacks QUIESCE QUIESCE -- "$UBLK" quiesce -n "$DEV"
lacks SAFE_STOP_DEV if-unused -- "$UBLK" stop --if-unused -n "$DEV"
check "and nothing has happened to the disk" data_passes
check "nor to its daemon" prints "$pid" pid_of "$DEV"
check "delete" del_dev
check "the daemon has ended" busywait 5000 ended "$pid"
check "the node has gone" busywait 5000 not test -e "$BDEV"

lacks AUTO_BUF_REG "zero copy" driver -- "$UBLK" add -t loop -f "$img" --zerocopy
lacks BATCH_IO batch driver -- "$UBLK" add -t loop -f "$img" --batch-io
lacks USER_COPY "user copy" driver -- "$UBLK" add -t loop -f "$img" --usercopy
lacks SHMEM_ZC shared driver -- "$UBLK" add -t loop -f "$img" --shmem_zc "$img"
lacks PER_IO_DAEMON threads driver -- "$UBLK" add -t loop -f "$img" --per-io-threads 2
check "no device is left by them" prints "" "$UBLK" list

# option, state of a device whose daemon was killed, feature
while read -r option state feature; do
	has_feature "$feature" || {
		lacks "$feature" "$feature" -- "$UBLK" add -t loop -f "$img" "$option"
		continue
	}
	add_dev -t loop -f "$img" "$option"
	check "$option: data" data_passes
	check "$option: the daemon is killed" kill_daemon "$state"
	check "$option: recovered" timeout "$((60 * SCALE))" "$UBLK" recover -n "$DEV" --quiet
	check "$option: state after it" state_is "$DEV" LIVE
	check "$option: the file is the same" cmp -n 2097152 "$TMP/data" "$img"
	check "$option: data after it" data_passes
	check "$option: delete" del_dev
done <<-END
	--user-recovery QUIESCED USER_RECOVERY
	--user-recovery-reissue QUIESCED USER_RECOVERY_REISSUE
	--user-recovery-fail-io FAIL_IO USER_RECOVERY_FAIL_IO
END
check "nothing is left" prints "" "$UBLK" list
finish
