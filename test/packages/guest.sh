#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2329 # steps are called by name
#
# usage: guest.sh STEP VERSION RELEASE
#
# The part of "make check-packages" that runs in the clean Debian, one STEP a boot.
# VERSION is that of the packages in /share/deb, those in /share/newer are later.
# RELEASE is the newest supported kernel, which is not installed at first. Each line
# that is run is shown, with its output; the first that fails ends the step.

set -u
step=$1
version=$2
new=$3
img=/root/disk.img
mnt=/mnt
kernel=$(uname -r)

# end STATUS: of the step, and of this boot. What a program has not synced may be lost.
end() {
	sync
	echo "$1" >/share/status
	systemctl --no-block reboot
	exit "$1"
}

# run TEXT COMMAND: shell text, which has to succeed.
run() {
	local t0=${EPOCHREALTIME/./} number status

	number=$(($(cat /share/number) + 1))
	echo "$number" >/share/number
	echo "# $ $2"
	(set -o pipefail; eval "$2") </dev/null 2>&1 | sed -u 's/^/#   /'
	status=${PIPESTATUS[0]}
	t0=$(((${EPOCHREALTIME/./} - t0) / 100000))
	if [ "$status" -ne 0 ]; then
		echo "not ok $number $1 # status $status"
		end 1
	fi
	echo "ok $number $1"
	echo "# took $((t0 / 10)).$((t0 % 10)) s"
}

# within SECONDS COMMAND...: wait for a state.
within() {
	local limit=$((SECONDS + $1))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$limit" ] || return 1
		sleep 0.2
	done
}

apt() {
	apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Languages=none "$@"
}

# A module that does not come with the kernel taints it.
ours_is_loaded() {
	grep O /sys/module/ublk_drv/taint
}

kernels_own_is_loaded() {
	[ -e /sys/module/ublk_drv/taint ] && ! grep O /sys/module/ublk_drv/taint
}

group_of_control_is() {
	[ "$(stat -c %G /dev/ublk-control)" = "$1" ]
}

# The module that modprobe takes for a kernel.
preferred() {
	modinfo -k "$1" -n ublk_drv
}

# Compiled for this kernel, and installed where modprobe looks first.
ours_for() {
	dkms status ublk -k "$1" | grep ': installed' &&
		preferred "$1" | grep '/updates/dkms/'
}

sums() {
	(cd "$mnt" && find . -xdev -type f ! -path './lost+found/*' -print0 | sort -z |
		xargs -0 sha256sum)
}

same_files() {
	sums | diff -q - /root/sums && wc -l </root/sums
}

# --- IO while packages change: files of random data, each synced before its sum is
# kept; one that cannot be written ends it.

write_files() {
	local i=0

	while [ ! -e /run/stop-writing ]; do
		i=$((i + 1))
		head -c 200000 /dev/urandom >"/run/data" &&
			dd if=/run/data of="$mnt/io.$((i % 50))" bs=64k conv=fsync status=none &&
			(cd /run && sha256sum <data) >"/run/sums/io.$((i % 50))" || exit 1
		echo "$i" >/run/written
		sleep 0.1
	done
	touch /run/written-all
}

start_writing() {
	rm -f /run/stop-writing /run/written-all
	mkdir -p /run/sums
	echo 0 >/run/written
	write_files &
	writer=$!
}

wrote_more_than() {
	[ "$(cat /run/written)" -gt "$1" ]
}

# The writer goes on after what was just done.
still_writing() {
	kill -0 "$writer" && within 60 wrote_more_than "$(cat /run/written)" &&
		echo "$(cat /run/written) files written"
}

files_written_are_there() {
	local name bad=0

	touch /run/stop-writing
	within 60 test -e /run/written-all || return 1
	umount "$mnt" && mount /dev/ublkb0 "$mnt" || return 1
	for name in /run/sums/*; do
		[ "$(sha256sum <"$mnt/${name##*/}")" = "$(cat "$name")" ] || bad=$((bad + 1))
	done
	echo "$(cat /run/written) files written, $bad differ"
	[ "$bad" -eq 0 ] && wrote_more_than 20
}

# server NUMBER
server() {
	ublk list -n "$1" | awk '$6 == "pid" { print $7 }'
}

# served_by_another NUMBER PID
served_by_another() {
	local now

	now=$(server "$1") && [ "${now:-0}" -gt 0 ] && [ "$now" != "$2" ] &&
		ublk list -n "$1" | grep 'state LIVE'
}

same_server() {
	[ "$(server 0)" = "$pid" ] && [ -d "/proc/$pid" ] &&
		grep -q '(deleted)' <(readlink "/proc/$pid/exe") &&
		echo "process $pid serves with the program of before"
}

# removal_is_refused PACKAGE WORDS: apt fails, and these are in its output.
removal_is_refused() {
	local status=0

	apt remove "$1" >/root/refused 2>&1 || status=$?
	cat /root/refused
	[ "$status" -ne 0 ] && grep -qF "$2" /root/refused
}

units_to_restart() {
	needrestart -b -r l 2>/dev/null | sed -n 's/^NEEDRESTART-SVC: //p'
}

# --- the steps

# The stock kernel: install, use, reboot without unmounting.
step_install() {
	run "the stock kernel, and nothing of ublk" \
		"uname -r && uname -r | grep '^6[.]12[.]' && ! dpkg -l | grep ublk && ! lsmod | grep ublk"
	run "the administrator has a configuration" \
		"mkdir /etc/ublk && echo mine >/etc/ublk/mine.conf"
	# The emulated processors would compress all drivers for a quarter of an hour.
	run "a small initramfs for kernels to come" \
		"echo MODULES=dep >/etc/initramfs-tools/conf.d/small"
	[ ! -d /share/native ] || run "DKMS takes modules that were compiled on the host" \
		"mkdir -p /etc/dkms && echo 'MAKE[0]=\"cp /share/native/\${kernelver}.ko drivers/block/ublk/ublk_drv.ko\"' >/etc/dkms/ublk.conf && cat /etc/dkms/ublk.conf"
	run "apt update" "apt update"
	run "install the packages: the module is compiled" "cd /share/deb && apt install ./*.deb"
	run "the module is installed, and preferred" "ours_for $kernel"
	run "a disk at once, from a file" \
		"truncate -s 1G $img && ublk add $img"
	run "our driver is loaded" "ours_is_loaded && ublk features"
	run "a disk of nbdkit, by the package ublk-nbd" \
		"apt install nbdkit && ublk add -n 7 -t nbdkit memory 16M && cmp -n 16M /dev/ublkb7 /dev/zero"
	run "that package is not removed while the disk is in use" \
		"(exec 9</dev/ublkb7; removal_is_refused ublk-nbd 'device 7: ') && cmp -n 16M /dev/ublkb7 /dev/zero"
	run "delete it" "ublk del -n 7"
	run "the target of Ceph, by the package ublk-rbd" "ublk help -t rbd | grep -A 20 '^options of -t rbd,'"
	run "the udev rule is in force" \
		"within 20 group_of_control_is disk"
	run "mkfs and mount" "mkfs.ext4 -q /dev/ublkb0 && mount /dev/ublkb0 $mnt"
	run "files" "cp -a /etc /usr/sbin /usr/share/doc $mnt/ && sync && sums >/root/sums && wc -l </root/sums"
	end 0
}

# After the reboot: the files; upgrade and removal under IO; a new kernel.
step_again() {
	run "no device is left of before" "! [ -e /dev/ublkb0 ] && ! lsmod | grep ublk"
	run "add the disk again" "ublk add $img"
	run "mount it" "mount /dev/ublkb0 $mnt"
	run "the files are the same" "same_files"
	run "unmount and delete it" "umount $mnt && ublk del -n 0"

	run "a declared disk of nbdkit that can be recovered" \
		"printf '%s\n' 'type = nbdkit' 'words = memory' 'words = 16M' 'user-recovery = yes' 'number = 7' >/etc/ublk/net.conf && systemctl daemon-reload && systemctl start ublk@net && within 60 test -b /dev/ublkb7"
	run "what it keeps has room beside its run-state file" "findmnt /run/ublk && ls -l /run/ublk/7.*"
	run "its server dies, and is replaced" \
		"pid=\$(server 7) && kill -9 \$pid && within 60 served_by_another 7 \$pid && cmp -n 16M /dev/ublkb7 /dev/zero"
	run "stop it" "systemctl stop ublk@net && rm /etc/ublk/net.conf && systemctl daemon-reload && ! test -e /dev/ublkb7"

	run "serve the disk as a unit of systemd" \
		"systemd-run -q --unit=disk ublk add --foreground -n 0 $img && within 60 test -b /dev/ublkb0"
	run "mount it" "within 20 mount /dev/ublkb0 $mnt"
	pid=$(server 0)
	start_writing
	run "files are written" "still_writing"
	run "needrestart is there" "apt install needrestart"
	echo "deb [trusted=yes] file:/share/newer ./" >/etc/apt/sources.list.d/newer.list
	run "apt update knows later packages" "apt update && apt-get -s upgrade | grep '^Inst ublk '"
	run "apt upgrade: the module is compiled" "apt upgrade"
	run "they are upgraded" \
		"dpkg-query -W ublk ublk-dkms ublk-nbd ublk-rbd libublk0 libublk-dev && dpkg-query -W '*ublk*' | grep -c '[+]later1' | grep -x 6"
	run "the module, too" "ours_for $kernel && dkms status ublk | grep later1"
	run "the server is the one of before" "same_server"
	run "files are still written" "still_writing"
	run "needrestart would not restart it" \
		"! units_to_restart | grep '^disk'"
	run "without our file it would" \
		"mv /etc/needrestart/conf.d/ublk.conf /root/ && units_to_restart | grep '^disk'; status=\$?; mv /root/ublk.conf /etc/needrestart/conf.d/; [ \$status -eq 0 ]"
	run "needrestart restarts what it wants" "needrestart -q -l -r a; same_server && still_writing"

	run "apt remove is refused, and says why" \
		"removal_is_refused ublk 'device 0: ublkb0 is mounted on $mnt'"
	run "the package is still there" "dpkg-query -W -f '\${db:Status-Status}\n' ublk | grep -x installed"
	run "the server is the one of before" "same_server"
	run "files are still written" "still_writing"
	run "nothing is lost" "files_written_are_there"
	run "unmount" "rm $mnt/io.* && umount $mnt && ublk del -n 0"

	run "a kernel update compiles the module for it" \
		"apt install linux-image-$new linux-headers-$new && ours_for $new"
	run "its files for the host that boots it" \
		"mkdir /share/boot && cp \$(find /boot/vmlinuz-$new /usr/lib/modules/$new/vmlinuz 2>/dev/null | head -n 1) /share/boot/vmlinuz && cp /boot/initrd.img-$new /share/boot/initrd"

	run "apt purge" "apt purge ublk ublk-dkms ublk-nbd ublk-rbd libublk0 libublk-dev"
	run "what the administrator wrote is kept" "grep -x mine /etc/ublk/mine.conf"
	run "nothing of ours is left" \
		"! command -v ublk && ! find /usr /etc /var/lib/dkms -path /etc/ublk -prune -o -name '*ublk*' ! -path '*/kernel/drivers/block/*' ! -path '*/linux-headers-*' ! -path '*/linux/ublk_cmd.h' ! -path /etc/dkms/ublk.conf -print | grep ."
	run "modprobe finds the kernels' own modules" \
		"preferred $kernel | grep /kernel/drivers/block/ && preferred $new | grep /kernel/drivers/block/"
	rm /etc/apt/sources.list.d/newer.list
	end 0
}

# The newest kernel, which accepts only signatures that it knows.
step_new-kernel() {
	run "the newest kernel, with its own keys only" \
		"uname -r | grep -x '$new' && grep Y /sys/module/module/parameters/sig_enforce"
	run "only its headers" "apt purge 'linux-headers-6.12*' linux-headers-amd64 && apt update"
	run "install the packages: the module is compiled" \
		"cd /share/deb && apt install ./*.deb >/root/installed 2>&1; status=\$?; cat /root/installed; [ \$status -eq 0 ]"
	run "it is said that the key may be rejected" \
		"grep 'ublk-dkms: .*signed with a key' /root/installed"
	run "the module is installed, and preferred" "ours_for $kernel"
	run "the disk is there with the kernel's own driver, and that is said" \
		"ublk add $img 2>/root/warned; status=\$?; cat /root/warned; [ \$status -eq 0 ] && grep -q 'Key was rejected' /root/warned"
	run "the kernel's own driver is loaded" \
		"kernels_own_is_loaded"
	run "mount it" "mount /dev/ublkb0 $mnt"
	run "the files are the same" "same_files"
	run "unmount and delete it" "umount $mnt && ublk del -n 0"
	run "no module for a kernel that has ublk built in" \
		"built_in"
	end 0
}

# DKMS is told another configuration of the kernel.
built_in() {
	local headers=/lib/modules/$kernel/build status=0

	mkdir -p /lib/modules/7.3.0-builtin
	ln -sfn "$headers" /lib/modules/7.3.0-builtin/build
	sed 's/^CONFIG_BLK_DEV_UBLK=m/CONFIG_BLK_DEV_UBLK=y/' "$headers/.config" >/root/config
	grep '^CONFIG_BLK_DEV_UBLK=y' /root/config || return
	dkms build ublk/"$version" -k 7.3.0-builtin --config /root/config || status=$?
	rm -r /lib/modules/7.3.0-builtin
	[ "$status" -eq 77 ]
}

# The same kernel, which takes every module.
step_own-driver() {
	run "add the disk" "ublk add $img"
	run "our driver is loaded" "ours_is_loaded && ublk features"
	run "mount it" "mount /dev/ublkb0 $mnt"
	run "the files are the same" "same_files"
	run "the program is not removed" \
		"removal_is_refused ublk 'device 0: ublkb0 is mounted on $mnt'"
	run "unmount and delete it" "umount $mnt && ublk del -n 0"
	run "remove all" "apt remove ublk ublk-dkms ublk-nbd ublk-rbd libublk0 libublk-dev"
	end 0
}

"step_$step"
