#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# IO passes to block devices of all kinds: those of device mapper as LVM makes them,
# md, dm-crypt, nvme, another ublk disk, and a SCSI disk that is removed under IO.
#
# covers: E-15 E-80 E-89
# runner: stock timeout=300

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:EXTENTS fio cmp mkfs.ext4 dmsetup module:dm_mod module:null_blk
CONFIG=/sys/kernel/config

raw() {
	dd if="$1" bs=1M count="$2" iflag=direct status=none
}

files() {
	mkfs.ext4 -q "$BDEV" && mount "$BDEV" "$TMP/mnt" || return
	cp "$TMP/data" "$TMP/mnt/data" && sync -f "$TMP/mnt" && umount "$TMP/mnt" &&
		mount "$BDEV" "$TMP/mnt" || return
	cmp "$TMP/data" "$TMP/mnt/data"
	local ret=$?

	umount "$TMP/mnt" && return "$ret"
}
mkdir "$TMP/mnt"
head -c 4M /dev/urandom >"$TMP/data"

# test_backing KIND DEVICE [OPTION]...: the whole of it.
test_backing() {
	local kind=$1 dev=$2 had

	shift 2
	if ! busywait 5000 test -b "$dev"; then
		not_ok "$kind: there is no $dev"
		return
	fi
	add_dev -t loop -f "$dev" -q 2 "$@"
	check "$kind: passes" mode_has passthrough
	check "$kind: random IO verifies" fio_verify "$BDEV" --bsrange=4k-512k \
		--iodepth=16 --size=16m
	# Not by io_uring, which does not want to wait: some must (E-81).
	had=$(served_requests)
	dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
	check "$kind: no request came" prints "$had" served_requests
	check "$kind: files" files
	dd if="$TMP/data" of="$BDEV" bs=1M oflag=direct status=none
	check "$kind: device is deleted" del_dev
	check "$kind: the data is on it" cmp "$TMP/data" <(raw "$dev" 4)
}

# dm NAME: a mapped device of the table on standard input; its node in $DM.
dm() {
	dmsetup create --noudevrules --noudevsync "$1" || return
	defer dmsetup remove --noudevrules --noudevsync --retry "$1"
	DM=/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")
}

# Two physical volumes, and a logical one of an extent of each.
null_device ublk_pv_a size=64 blocksize=512 discard=1
A=$NULL
null_device ublk_pv_b size=64 blocksize=512 discard=1 irqmode=2
B=$NULL
dm ublk-lv <<END || die "no dm linear"
0 65536 linear $A 2048
65536 65536 linear $B 2048
END
test_backing "LVM" "$DM"
dmsetup remove --noudevrules --noudevsync --retry ublk-lv

if modprobe -q dm-mirror && dm ublk-mirror <<<"0 65536 mirror core 2 1024 nosync 2 $A 0 $B 0"; then
	test_backing "LVM mirror" "$DM"
	check "LVM mirror: both have it" cmp <(raw "$A" 4) <(raw "$B" 4)
	dmsetup remove --noudevrules --noudevsync --retry ublk-mirror
else
	skip "LVM mirror" "no dm mirror"
fi

key=00112233445566778899aabbccddeeff
if modprobe -q dm-crypt && dm ublk-crypt <<<"0 65536 crypt aes-cbc-essiv:sha256 $key 0 $A 0"; then
	test_backing "dm-crypt" "$DM"
	check "dm-crypt: it is encrypted" not cmp -s "$TMP/data" <(raw "$A" 4)
	dmsetup remove --noudevrules --noudevsync --retry ublk-crypt
else
	skip "dm-crypt" "no dm crypt"
fi

# Without mdadm: an array without metadata, by attributes.
MD=/sys/block/md113/md
md_add() {
	echo "$((0x$(stat -c %t "$1"))):$((0x$(stat -c %T "$1")))" >"$MD/new_dev" &&
		echo "$2" >"$MD/dev-${1#/dev/}/slot"
}
md_start() {
	echo md113 >/sys/module/md_mod/parameters/new_array && echo none >"$MD/metadata_version" &&
		echo raid1 >"$MD/level" && echo 2 >"$MD/raid_disks" &&
		echo 32768 >"$MD/component_size" && md_add "$A" 0 && md_add "$B" 1 &&
		echo active >"$MD/array_state"
}
if modprobe -q raid1; then
	defer sh -c "echo clear >$MD/array_state"
	if md_start 2>"$TMP/md"; then
		test_backing "md RAID 1" /dev/md113
		check "md RAID 1: both have it" cmp <(raw "$A" 4) <(raw "$B" 4)
	else
		sed 's/^/# /' "$TMP/md"
		not_ok "md RAID 1 starts"
	fi
	echo clear >"$MD/array_state"
else
	skip "md RAID 1" "no raid1"
fi

# nvme NQN: a controller in this kernel whose namespace is on $A; its disk in $NVME.
nvme() {
	local sub=$CONFIG/nvmet/subsystems/$1 port=$CONFIG/nvmet/ports/7514 answer

	mkdir "$sub" && defer rmdir "$sub" && echo 1 >"$sub/attr_allow_any_host" &&
		mkdir "$sub/namespaces/1" && defer rmdir "$sub/namespaces/1" &&
		echo -n "$A" >"$sub/namespaces/1/device_path" &&
		echo 1 >"$sub/namespaces/1/enable" &&
		mkdir "$port" && defer rmdir "$port" && echo loop >"$port/addr_trtype" &&
		ln -s "$sub" "$port/subsystems/$1" && defer rm "$port/subsystems/$1" || return
	exec 5<>/dev/nvme-fabrics || return
	echo -n "transport=loop,nqn=$1" >&5 && read -r answer <&5
	exec 5>&-
	NVME=$(sed -n 's/.*instance=\([0-9]*\).*/nvme\1/p' <<<"$answer")
	[ -n "$NVME" ] || return
	defer sh -c "echo 1 >/sys/class/nvme/$NVME/delete_controller"
	busywait 5000 test -b "/dev/${NVME}n1"
}
if modprobe -q nvme-loop && [ -e /dev/nvme-fabrics ] && nvme ublk-extents; then
	test_backing "nvme" "/dev/${NVME}n1"
	echo 1 >"/sys/class/nvme/$NVME/delete_controller"
else
	skip "nvme" "no nvme-loop"
fi

# Another ublk disk, served by a daemon or passing itself.
add_dev -t mem --size 32M
below=$DEV
test_backing "ublk" "/dev/ublkb$below"
del_dev "$below"
add_dev -t loop -f "$B"
below=$DEV
test_backing "ublk that passes" "/dev/ublkb$below"
check "the disk below is deleted" del_dev "$below"

# A SCSI disk; and it is removed under IO.
sdebug() {
	basename "$(echo /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*:*/block/*)"
}
if modprobe -qa sd_mod && modprobe -q scsi_debug dev_size_mb=64 lbpu=1 sector_size=512; then
	defer sh -c "modprobe -r scsi_debug"
	busywait 10000 test -b "/dev/$(sdebug)"
	sd=$(sdebug)
	test_backing "SCSI" "/dev/$sd"
	add_dev -t loop -f "/dev/$sd" -i
	timeout "$((60 * SCALE))" fio --name=io --filename="$BDEV" --ioengine=io_uring \
		--direct=1 --rw=randrw --iodepth=16 --time_based --runtime=60 \
		--minimal >/dev/null 2>&1 &
	io=$!
	busy() {
		awk '{ exit !($1 > 500 && $5 > 500) }' "/sys/block/ublkb$DEV/stat"
	}
	check "SCSI: IO is on its way" busywait 20000 busy
	echo 1 >"/sys/block/$sd/device/delete"
	check "SCSI: IO ends with an error" not wait "$io"
	check "SCSI: the daemon lives" kill -0 "$(pid_of "$DEV")"
	check "SCSI: reads fail" not dd if="$BDEV" of=/dev/null bs=4k count=1 iflag=direct \
		status=none
	check "SCSI: device is deleted" del_dev
else
	skip "SCSI" "no scsi_debug"
fi
finish
