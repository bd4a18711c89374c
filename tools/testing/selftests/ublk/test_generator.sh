#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk generator": what it writes for declared devices and the lines of fstab. What
# systemd makes of that, "make check-system" of the ublk tree tests.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

use_conf_dir
export SYSTEMD_FSTAB=$TMP/fstab
: >"$SYSTEMD_FSTAB"

PROGRAM=$(realpath "$(command -v "$UBLK")")

# generate: as systemd does, by the name of the program.
ln -s "$PROGRAM" "$TMP/ublk-generator"
generate() {
	rm -rf "$TMP/units" "$TMP/early"
	mkdir "$TMP/units" "$TMP/early"
	"$TMP/ublk-generator" "$TMP/units" "$TMP/early" "$TMP/units" 2>"$TMP/log"
}

# has UNIT LINE: in what is added to the unit.
has() {
	grep -qxF -- "$2" "$TMP/units/$1.d/50-ublk.conf" || { cat "$TMP/units/$1.d/50-ublk.conf"; return 1; }
}

# wants TARGET UNIT
wants() {
	[ -L "$TMP/units/$1.wants/$2" ]
}

# Files that are not there, and directories that nobody may look at.
declare_dev plain "type = null"
declare_dev data "file = /srv/a b/data%1.img" "number = 3"
declare_dev net "file = /net/x.img"
declare_dev disk "file = /dev/sdz1"
declare_dev above "file = /dev/disk/by-ublk/data-part2"
declare_dev two-files "type = stripe" "file = /srv/one" "file = /dev/ublkb3"
cat >"$SYSTEMD_FSTAB" <<'FSTAB'
# a comment
/dev/vda /                  ext4 defaults 0 1
/dev/vdb /srv               ext4 defaults 0 2
/dev/vdc /srv/a\040b        ext4 defaults 0 2
/dev/vdd /srvother          ext4 defaults 0 2
host:/x  /net               nfs  defaults 0 0
FSTAB
check "generate" generate
check "without a message" test ! -s "$TMP/log"
check "every device is wanted" wants local-fs.target ublk@plain.service
check "by its name as it is" wants local-fs.target ublk@two-files.service
check "one on a network by the other target" wants remote-fs.target ublk@net.service
check "and by no other" not wants local-fs.target ublk@net.service
check "that one waits for the network" has ublk@net.service "After=network-online.target"
check "the mounts of a file" has ublk@data.service 'WantsMountsFor="/srv/a b/data%%1.img"'
check "are those of fstab" has ublk@data.service "After=srv.mount"
check "also with blanks" has ublk@data.service 'After=srv-a\x20b.mount'
check "no others" not grep -qE -e 'srvother|Requires|network' "$TMP/units/ublk@data.service.d/50-ublk.conf"
check "no root" not grep -qx -e 'After=-.mount' "$TMP/units/ublk@data.service.d/50-ublk.conf"
check "a node" has ublk@disk.service "After=dev-sdz1.device"
check "of another device" has ublk@above.service "After=ublk@data.service"
check "is a node, too" has ublk@above.service 'After=dev-disk-by\x2dublk-data\x2dpart2.device'
check "by number" has ublk@two-files.service "After=ublk@data.service"
check "beside a file" has ublk@two-files.service "After=srv.mount"
check "one without a store waits for nothing" not grep -qE -e '^(After|Wants)' "$TMP/units/ublk@plain.service.d/50-ublk.conf"

# Lines of fstab for these disks.
cat >"$SYSTEMD_FSTAB" <<'FSTAB'
/dev/disk/by-ublk/data       /mnt/one    ext4 defaults 0 2
/dev/disk/by-ublk/data-part1 /mnt/my-two ext4 defaults 0 2
/dev/ublkb3p2                /mnt/three  ext4 defaults 0 2
LABEL=x /mnt/four ext4 noatime,x-systemd.wants=ublk@data.service 0 2
LABEL=y /mnt/five ext4 defaults 0 2
/dev/disk/by-ublk/nothere    /mnt/six    ext4 defaults 0 2
/dev/disk/by-ublk/above      none        swap sw 0 0
LABEL=z /srv ext4 x-systemd.wants=ublk@two-files.service 0 2
FSTAB
check "a device below its own mount is an error" not generate
check "that is said" grep -q "two-files.conf: a file of it is below /srv" "$TMP/log"
check "and nothing comes of it" not test -e "$TMP/units/srv.mount.d/50-ublk.conf"
for unit in mnt-one 'mnt-my\x2dtwo' mnt-three mnt-four; do
	check "$unit: requires what nobody stops" has "$unit.mount" "Requires=ublk-ready@data.service"
	check "$unit: wants the service" has "$unit.mount" "Wants=ublk@data.service"
	check "$unit: does not require it" not has "$unit.mount" "Requires=ublk@data.service"
done
check "swap" has 'dev-disk-by\x2dublk-above.swap' "Requires=ublk-ready@above.service"
check "a line without a hint" not test -e "$TMP/units/mnt-five.mount.d"
check "a device that is not declared" not test -e "$TMP/units/mnt-six.mount.d"

# Mounts that stay over a soft-reboot: those of the disks, of stores, and below both.
keeps() {
	local unit

	for unit in "$@"; do
		grep -qx "DefaultDependencies=no" "$TMP/units/$unit.d/50-ublk-keep.conf" || { echo "$unit is not kept"; return 1; }
	done
}

# kept UNIT LINE
kept() {
	grep -qxF -- "$2" "$TMP/units/$1.d/50-ublk-keep.conf" || { cat "$TMP/units/$1.d/50-ublk-keep.conf"; return 1; }
}

cat >"$SYSTEMD_FSTAB" <<'FSTAB'
/dev/vda /                       ext4 defaults 0 1
/dev/vdb /srv                    ext4 defaults 0 2
/dev/vde /usr                    ext4 defaults 0 2
/dev/vdf /mnt/on                 ext4 defaults 0 0
/dev/vdg /mnt/on/other           ext4 defaults 0 0
/dev/vdg /mnt/other              ext4 defaults 0 2
UUID=1-2 /dir                    ext4 x-initrd.mount 0 2
host:/x  /net                    nfs  nofail 0 0
LABEL="a\040b/" /mnt/on/four     ext4 noatime,x-systemd.wants=ublk@data.service 0 2
/dev/disk/by-ublk/net            /mnt/net  ext4 noauto,nofail,_netdev 0 2
/dev/disk/by-ublk/net-part1      /mnt/auto ext4 nofail,x-systemd.automount,_netdev 0 2
/mnt/bound/img                   /mnt/image ext4 loop,x-systemd.wants=ublk@data.service 0 2
/dev/vdh /mnt/bound              ext4 defaults 0 0
/dev/disk/by-ublk/above          none swap sw 0 0
FSTAB
declare_dev early "file = /dir/x" "file = /usr/x" "type = stripe"
check "mounts that stay" generate
check "disks" keeps mnt-on-four.mount mnt-net.mount mnt-image.mount
check "stores" keeps srv.mount net.mount
check "what these are on" keeps mnt-on.mount
check "what they are made of" keeps mnt-bound.mount
for unit in usr.mount mnt-auto.mount mnt-auto.automount dir.mount -.mount mnt-other.mount mnt-on-other.mount 'dev-disk-by\x2dublk-above.swap'; do
	check "not $unit" not test -e "$TMP/units/$unit.d/50-ublk-keep.conf"
done
check "no shutdown that all others start" not grep -q '^Conflicts=.*umount.target' "$TMP/units/srv.mount.d/50-ublk-keep.conf"
for target in halt kexec poweroff reboot; do
	check "but $target" grep -q "^Conflicts=.*\<$target.target" "$TMP/units/srv.mount.d/50-ublk-keep.conf"
done
check "which waits for it" kept srv.mount "Before=umount.target"
check "the boot waits for it" kept srv.mount "Before=local-fs.target"
check "as it waits" kept srv.mount "After=local-fs-pre.target"
check "on a network" kept mnt-net.mount "After=network-online.target"
check "with nofail" not kept mnt-net.mount "Before=remote-fs.target"
check "its check" kept 'systemd-fsck@dev-vdb.service' "Slice=system.slice"
check "by label" kept 'systemd-fsck@dev-disk-by\x2dlabel-a\x5cx20b\x5cx2f.service' "Slice=system.slice"
check "without a check" not test -e "$TMP/units/systemd-fsck@dev-vdf.service.d"
rm "$UBLK_CONF_DIR/early.conf"

# As when udev has seen a disk: systemd runs the generator, if there is a reason.
mkdir "$TMP/bin"
printf '%s\n' '#!/bin/sh' 'echo "$@" >>"$TMP/calls"' '. "$TMP/systemctl"' >"$TMP/bin/systemctl"
chmod +x "$TMP/bin/systemctl"
udev_mounts=(env "TMP=$TMP" "PATH=$TMP/bin:$PATH" "$UBLK" udev-mounts --directory "$TMP/units")
: >"$TMP/systemctl"
rm -rf "$TMP/units/srv.mount.d"
check "a reload without an effect" fails 1 "has not written" -- "${udev_mounts[@]}"
echo "exit 1" >"$TMP/systemctl"
check "one that fails" fails 1 "daemon-reload" -- "${udev_mounts[@]}"
echo "'$TMP/ublk-generator' '$TMP/units' '$TMP/early' '$TMP/units'" >"$TMP/systemctl"
rm "$TMP/calls"
check "one that does it" "${udev_mounts[@]}"
check "is that of systemd" prints daemon-reload cat "$TMP/calls"
check "not once more" "${udev_mounts[@]}"
check "without a reason" prints daemon-reload cat "$TMP/calls"
: >"$SYSTEMD_FSTAB"
rm -rf "$TMP/units"
check "nor with nothing to keep" "${udev_mounts[@]}"
check "which starts nothing" prints daemon-reload cat "$TMP/calls"

# A mount must not require the service: systemd's own generator makes that unit again.
cat >"$SYSTEMD_FSTAB" <<'FSTAB'
LABEL=a /mnt/seven ext4 noatime,x-systemd.requires=ublk@data.service,x-systemd.requires=other.service 0 2
LABEL=b /mnt/eight ext4 x-systemd.requires=other.service 0 2
FSTAB
if [ -x /lib/systemd/system-generators/systemd-fstab-generator ]; then
	check "lines with x-systemd.requires=" generate
	check "another unit" grep -qx "Where=/mnt/seven" "$TMP/early/mnt-seven.mount"
	check "with the other options" grep -qx "Options=noatime,.*" "$TMP/early/mnt-seven.mount"
	check "with what else it requires" grep -q "^Requires=other.service" "$TMP/early/mnt-seven.mount"
	check "without the service" not grep -q "ublk@data" "$TMP/early/mnt-seven.mount"
	check "which it wants" has mnt-seven.mount "Wants=ublk@data.service"
	check "lines of others are left alone" not test -e "$TMP/early/mnt-eight.mount"
else
	skip "lines with x-systemd.requires=" "no systemd here"
fi

# A name that is another one's and a number of a partition.
declare_dev data-part1 "type = null"
echo '/dev/disk/by-ublk/data-part1 /mnt/my-two ext4 defaults 0 2' >"$SYSTEMD_FSTAB"
check "a name like that of a partition" generate
check "is that device" has 'mnt-my\x2dtwo.mount' "Requires=ublk-ready@data-part1.service"

# Wrong files.
rm "$UBLK_CONF_DIR"/*
declare_dev bad "type = null" "dpeth = 3"
declare_dev "Wrong Name" "type = null"
echo '/dev/disk/by-ublk/bad /mnt ext4 defaults 0 2' >"$SYSTEMD_FSTAB"
check "wrong files" generate
check "are said" grep -q "bad.conf:2" "$TMP/log"
check "have units" wants local-fs.target ublk@bad.service
check "that mounts wait for" has mnt.mount "Requires=ublk-ready@bad.service"
check "also with a wrong name" wants local-fs.target 'ublk@Wrong\x20Name.service'
check "which fails with the reason" has 'ublk@Wrong\x20Name.service' "ExecStart=$PROGRAM serve -- \"Wrong Name\""
check "as serve says" fails 1 "Wrong Name.conf" "no name of a device" -- "$UBLK" serve -- "Wrong Name"
rm "$UBLK_CONF_DIR"/*
check "no declarations" generate
check "no units" prints "" ls "$TMP/units"
check "nothing to keep" "${udev_mounts[@]}"
check "no directory" fails 2 DIR -- "$UBLK" generator
finish
