#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2329 # steps are called by name
#
# usage: guest.sh
#
# The part of "make check-system" that runs in the guest, started by systemd at each
# boot. SCALE multiplies deadlines. /share/steps has the steps that are left, one a line; the first one is done in
# this boot, and ends with an orderly reboot. Each line that is run is shown, with its
# output; the first that fails ends everything.

set -u
mnt=/mnt/data
conf=/etc/ublk/data.conf

# end STATUS: of this step. The next boot goes on, unless it has failed.
end() {
	sed -i 1d /share/steps
	if [ "$1" -ne 0 ]; then
		echo "$1" >/share/status
		journalctl -b --no-pager -o short-monotonic >/share/journal 2>&1
		# not of a disk that has no server
		sync -f /
		systemctl --no-block --force poweroff
		exit 1
	fi
	[ -s /share/steps ] || { echo 0 >/share/status; systemctl --no-block poweroff; exit; }
	systemctl --no-block reboot
	exit
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
		echo "not ok $number $step: $1 # status $status"
		end 1
	fi
	echo "ok $number $step: $1"
	echo "# took $((t0 / 10)).$((t0 % 10)) s"
}

# within SECONDS COMMAND...: wait for a state.
within() {
	local limit=$((SECONDS + $1 * SCALE))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$limit" ] || return 1
		sleep 0.2
	done
}

# --- what is looked at

# The kernel's number of the mount: another one after it was unmounted.
mount_id() {
	awk -v dir="$mnt" '$5 == dir { print $1 }' /proc/self/mountinfo
}

is_mounted() {
	[ -n "$(mount_id)" ]
}

same_mount() {
	[ "$(mount_id)" = "$mount" ] && echo "mount $mount"
}

server() {
	ublk list data 2>/dev/null | awk '$6 == "pid" && $9 == "LIVE" { print $7 }'
}

supervisor() {
	systemctl show -P MainPID ublk@data
}

# served BEFORE: by another process.
served() {
	local now

	now=$(server)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

supervised() {
	local now

	now=$(supervisor)
	[ "$now" -gt 0 ] && [ "$now" != "$1" ] && systemctl -q is-active ublk@data
}

# Of this boot, and of the shutdown before it.
no_cycle() {
	! journalctl -b --no-pager | grep -i 'ordering cycle' &&
		! journalctl -b -1 --no-pager | grep -i 'ordering cycle'
}

# What fsck and the kernel say of a journal that was not closed.
no_replay() {
	! journalctl -b --no-pager | grep -iE 'recovery complete|recovering journal|orphan cleanup' &&
		journalctl -b -k --no-pager | grep -cE 'EXT4-fs \((vdb|ublkb[0-9]+)\): mounted' | grep -x 2
}

sums_hold() {
	(cd "$mnt" && sha256sum --quiet -c sums) && wc -l <"$mnt/sums"
}

# --- IO that goes on: each file is synced before its sum is kept; an error ends it.

write_files() {
	local i=0

	while [ ! -e /run/stop-writing ]; do
		i=$((i + 1))
		head -c 100000 /dev/urandom >/run/data &&
			dd if=/run/data of="$mnt/io.$((i % 50))" bs=20k conv=fsync status=none &&
			(cd /run && sha256sum <data) >"/run/sums/io.$((i % 50))" || exit 1
		echo "$i" >/run/written
		sleep 0.05
	done
	touch /run/written-all
}

start_writing() {
	rm -rf /run/stop-writing /run/written-all /run/sums
	mkdir /run/sums
	echo 0 >/run/written
	write_files &
	writer=$!
}

wrote_more_than() {
	[ "$(cat /run/written)" -gt "$1" ]
}

still_writing() {
	kill -0 "$writer" && within 60 wrote_more_than "$(cat /run/written)" &&
		echo "$(cat /run/written) files written"
}

written_is_there() {
	local name bad=0

	touch /run/stop-writing
	within 60 test -e /run/written-all || return 1
	echo 3 >/proc/sys/vm/drop_caches
	for name in /run/sums/*; do
		[ "$(sha256sum <"$mnt/${name##*/}")" = "$(cat "$name")" ] || bad=$((bad + 1))
	done
	echo "$(cat /run/written) files written, $bad differ"
	[ "$bad" -eq 0 ] && wrote_more_than 10
}

# --- parts of steps

# fstab LINE: for the disk of the service, from the next boot on.
fstab() {
	printf '%s\n' "LABEL=store /srv ext4 defaults 0 2" "${1:-}" >/etc/fstab
}

kill_servers() {
	local pid i

	for i in 1 2 3; do
		pid=$(server)
		[ -n "$pid" ] && kill -9 "$pid" && within 30 served "$pid" || return 1
		echo "server $pid, then $(server)"
	done
}

kill_supervisor() {
	local pid serving

	pid=$(supervisor)
	serving=$(server)
	kill -9 "$pid" && within 30 supervised "$pid" || return 1
	echo "supervisor $pid, then $(supervisor)"
	[ "$(server)" = "$serving" ]
}

restart() {
	local pid serving

	pid=$(supervisor)
	serving=$(server)
	systemctl restart ublk@data && within 30 supervised "$pid" || return 1
	echo "supervisor $pid, then $(supervisor)"
	[ "$(server)" = "$serving" ]
}

# The stop of a disk in use.
stop_is_refused() {
	local status=0

	systemctl stop ublk@data 2>&1 || status=$?
	[ "$status" -ne 0 ] && within 30 systemctl -q is-active ublk@data || return 1
	journalctl -b -u ublk@data --no-pager | grep "mounted on $mnt"
}

# What systemd has of a held disk after an event for it: udev must not read it.
held_keeps_links() {
	local pid link=/dev/disk/by-label/udata status=0

	pid=$(supervisor)
	kill -STOP "$pid"
	kill -9 "$(server)"
	within 20 ublk udev-held ublkb0 || status=1
	udevadm trigger --action=change /sys/class/block/ublkb0
	udevadm settle --timeout=$((20 * SCALE)) || { echo "udev waits"; status=1; }
	[ -e "$link" ] || { echo "no $link"; status=1; }
	udevadm info -q property /dev/ublkb0 | grep -x UBLK_HELD=1 || status=1
	udevadm info -q property /dev/ublkb0 | grep -x ID_FS_TYPE=ext4 || status=1
	kill -CONT "$pid"
	within 30 served 0 || status=1
	within 20 not_held || { udevadm info /dev/ublkb0; status=1; }
	[ -e "$link" ] || { echo "no $link afterwards"; status=1; }
	return "$status"
}

not_held() {
	! udevadm info -q property /dev/ublkb0 | grep -x UBLK_HELD=1
}

# What every kind of line in fstab has to bear, under IO.
endure() {
	run "the disk is mounted" "within 60 is_mounted && findmnt -n $mnt"
	run "no ordering cycle" "no_cycle"
	[ ! -e $mnt/sums ] || {
		run "no journal was replayed, neither of the disk nor of its store" "no_replay"
		run "the files are the same" "sums_hold"
	}
	mount=$(mount_id)
	start_writing
	run "files are written" "still_writing"
	run "kill -9 of the server, three times" "kill_servers"
	run "which the journal has, with the name of the disk" \
		"within 20 eval 'journalctl -b UBLK_DEVICE=data -p warning --no-pager | grep \"was ended by signal 9\"'"
	run "systemctl restart" "restart"
	run "the mount is the same" "same_mount"
	run "kill -9 of the supervisor" "kill_supervisor"
	run "systemctl daemon-reexec" "systemctl daemon-reexec"
	run "systemctl stop is refused, and names the users" "stop_is_refused"
	run "isolate rescue.target, and back" \
		"systemctl isolate rescue.target; systemctl -q is-active ublk@data && systemctl isolate multi-user.target"
	run "the mount is the same" "same_mount"
	run "an event while the disk waits" "held_keeps_links"
	run "files are still written" "still_writing"
	run "nothing is lost" "written_is_there"
	run "the mount is the same" "same_mount"
	run "files for the next boot" \
		"rm -f $mnt/io.*; cp -a /etc $mnt/ && (cd $mnt && find etc -type f -exec sha256sum {} + >sums) && wc -l <$mnt/sums"
}

# --- the steps

# A store on a second disk; the device is declared and used as ublk.service(7) says.
step_install() {
	run "systemd and udev" "systemctl --version | head -n 1; udevadm --version"
	run "units are right" "systemd-analyze verify --man=no ublk@data.service ublk-mounts@ublkb0.service ublk-shutdown.service"
	run "rules are right" "udevadm verify /lib/udev/rules.d/*ublk*.rules"
	run "a store on a second disk" "mkfs.ext4 -q -L store /dev/vdb && udevadm settle"
	mkdir -p $mnt /etc/ublk
	run "with a file" "mount /dev/vdb /srv && truncate -s 128M /srv/data.img && umount /srv"
	fstab
	run "the disk is declared" \
		"printf '%s\n' 'file = /srv/data.img' 'user-recovery-reissue = yes' >$conf && systemctl daemon-reload"
	run "the generator has made a unit" "systemctl cat ublk@data && systemctl show -P Wants local-fs.target | grep -w ublk@data.service"
	run "which starts, with the mount that it needs" \
		"systemctl start ublk@data && systemctl status ublk@data && findmnt -n /srv"
	run "mkfs" "mkfs.ext4 -q -L udata /dev/disk/by-ublk/data"
	fstab "/dev/disk/by-ublk/data $mnt ext4 defaults 0 2"
	end 0
}

step_by-name() {
	run "the mount requires what nobody stops" \
		"systemctl show -P Requires mnt-data.mount | grep -w ublk-ready@data.service"
	endure
	fstab "LABEL=udata $mnt ext4 x-systemd.wants=ublk@data.service 0 2"
	end 0
}

step_wants() {
	endure
	fstab "LABEL=udata $mnt ext4 defaults 0 2"
	end 0
}

step_label() {
	endure
	fstab "LABEL=udata $mnt ext4 x-systemd.requires=ublk@data.service 0 2"
	end 0
}

step_requires() {
	endure
	fstab "/dev/disk/by-ublk/data $mnt ext4 nofail 0 2"
	printf '%s\n' "file = /srv/data.img" "user-recovery-reissue = maybe" >$conf
	end 0
}

# A wrong file: the unit fails with the reason, and the mount does not wait.
step_wrong() {
	run "the unit has failed" "within 60 systemctl -q is-failed ublk@data"
	run "with the reason" "journalctl -b -u ublk@data --no-pager | grep 'data.conf:2.*maybe'"
	run "the mount has not waited" \
		"! is_mounted && ! systemctl list-jobs | grep mnt-data.mount && journalctl -b --no-pager | grep 'Dependency failed for.*$mnt'"
	run "no ordering cycle" "no_cycle"
	printf '%s\n' "file = /srv/data.img" "user-recovery-reissue = yes" >$conf
	run "a right file" "systemctl daemon-reload && systemctl start $mnt && is_mounted"
	run "the files are the same" "sums_hold"
	run "unmount, and stop" "umount $mnt && systemctl stop ublk@data && ! [ -e /dev/ublkb0 ]"
	end 0
}

# shellcheck source=test/system/odd.sh
. /share/odd.sh
# shellcheck source=test/system/fleet.sh
. /share/fleet.sh

step=$(head -n 1 /share/steps)
echo "# boot: step $step, $(cut -d' ' -f1 /proc/uptime) s after the kernel's start"
"step_$step"
