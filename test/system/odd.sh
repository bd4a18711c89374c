# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154,SC2317,SC2329 # sourced by guest.sh
#
# More steps of "make check-system": what a new user does, a store that is not what it was,
# soft-reboot, suspend, a shutdown with a server that is stuck, and a disk that is added in
# the session of a login.

# --- the commands of ublk(1), and nothing else

step_newuser() {
	run "ublk(1) says it in less than ten commands" "cat /share/newuser && [ \$(wc -l </share/newuser) -lt 10 ]"
	run "they succeed" "bash -ex /share/newuser"
	run "the disk is mounted" "findmnt -n -t ext4 /mnt && cp -a /etc/passwd /mnt/"
	end 0
}

step_newuser-after() {
	run "it is mounted after a boot" "within 60 findmnt -n -t ext4 /mnt && cmp /etc/passwd /mnt/passwd"
	run "without a replay" "! journalctl -b -k --no-pager | grep -iE 'recovery complete|recovering journal'"
	run "and taken away" "umount /mnt && systemctl stop ublk@data && ! [ -e /dev/ublkb0 ]"
	rm -f /etc/ublk/data.conf /srv/data.img
	: >/etc/fstab
	end 0
}

# --- the file of a disk that waits

# refuses TEXT: the next server is not started, the reason is told, the mount stays.
refuses() {
	kill -9 "$(server)" || return 1
	within 30 told "$1" || { systemctl status --no-pager ublk@data; return 1; }
	systemctl show -P StatusText ublk@data
	same_mount && [ -z "$(server)" ]
}

told() {
	systemctl show -P StatusText ublk@data | grep -q "$1"
}

step_store() {
	run "the disk is mounted" "within 60 is_mounted"
	mount=$(mount_id)
	start_writing
	run "files are written" still_writing
	mv /srv/data.img /srv/away.img
	run "a file that is gone" "refuses 'No such file'"
	run "and is back" "mv /srv/away.img /srv/data.img && within 60 served 0"
	run "files are written" still_writing
	mv /srv/data.img /srv/away.img && cp --sparse=always /srv/away.img /srv/data.img
	run "another file of the name" "refuses 'another file'"
	run "and the old one" "mv /srv/away.img /srv/data.img && within 60 served 0"
	run "files are written" still_writing
	run "a shorter file" "truncate -s 64M /srv/data.img; refuses shorter"
	run "that is as long as it was" "truncate -s 128M /srv/data.img && within 60 served 0"
	run "IO goes on" "kill -0 $writer"
	touch /run/stop-writing
	run "a store that cannot be written" \
		"kill -STOP \$(supervisor) && kill -9 \$(server) && within 20 mount -o remount,ro /srv; kill -CONT \$(supervisor); within 30 told 'Read-only' && systemctl show -P StatusText ublk@data && same_mount"
	run "and can be again" "mount -o remount,rw /srv && within 60 served 0"
	# half of its file system was cut off
	run "a new file system" "umount $mnt && mkfs.ext4 -qF -L udata /dev/disk/by-ublk/data && mount $mnt"
	end 0
}

# --- soft-reboot

step_soft() {
	if [ ! -e /run/soft ]; then
		run "the disk is mounted" "within 60 is_mounted && cp -a /etc $mnt/ && (cd $mnt && find etc -type f -exec sha256sum {} + >sums)"
		server >/run/soft
		systemctl --no-block soft-reboot
		sleep 600
	fi
	run "the disk is mounted" "within 60 is_mounted"
	run "its server is the one of before" "[ \"\$(server)\" = $(cat /run/soft) ] && cat /run/soft"
	run "supervised" "within 60 systemctl -q is-active ublk@data && ublk list data | grep 'supervisor pid'"
	run "no journal was replayed" "! journalctl -b -k --no-pager | grep -iE 'recovery complete|recovering journal|orphan cleanup'"
	run "no ordering cycle" "! journalctl -b --no-pager | grep -i 'ordering cycle'"
	run "the files are the same" sums_hold
	end 0
}

# --- suspend, as far as to the frozen processes

suspend() {
	local t0=$SECONDS

	if ! echo freeze >/sys/power/state; then
		echo "refused after $((SECONDS - t0)) s"
		return 1
	fi
	echo "frozen and thawed after $((SECONDS - t0)) s"
}

hold() {
	kill -STOP "$(supervisor)" && kill -9 "$(server)" && within 20 ublk udev-held ublkb0
}

step_freeze() {
	local reader

	run "the disk is mounted" "within 60 is_mounted"
	mount=$(mount_id)
	run "the test of the kernel" "echo 0 >/sys/power/sync_on_suspend && echo freezer >/sys/power/pm_test && cat /sys/power/pm_test"
	run "with a disk that is served" suspend
	run "the disk has no server" hold
	run "processes are frozen and go on" suspend
	dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 iflag=direct status=none &
	reader=$!
	run "a process waits for the disk" "within 20 grep -q '^State:.D' /proc/$reader/status"
	echo "# with a process that waits for IO: $(suspend 2>&1 | tail -n 1)"
	run "the supervisor goes on" "kill -CONT \$(supervisor) && within 30 served 0"
	wait "$reader"
	run "the process has its data" "[ $? -eq 0 ]"
	run "the mount is the same" same_mount
	end 0
}

# --- shutdown with a server and a supervisor that are stopped

step_stuck() {
	mkdir -p /etc/systemd/system.conf.d
	printf '%s\n' '[Manager]' "DefaultTimeoutStopSec=$((20 * SCALE))s" >/etc/systemd/system.conf.d/stop.conf
	run "the time of a stop" "systemctl daemon-reexec && systemctl show -P DefaultTimeoutStopUSec"
	run "the disk is mounted" "within 60 is_mounted"
	start_writing
	run "files are written" still_writing
	run "server and supervisor are stopped" "kill -STOP \$(supervisor) \$(server)"
	date +%s >/share/stuck
	end 0
}

step_stuck-after() {
	local booted took

	booted=$(awk '/^btime/ { print $2 }' /proc/stat)
	took=$((booted - $(cat /share/stuck)))
	rm /etc/systemd/system.conf.d/stop.conf
	run "the shutdown took $took s, less than $((240 * SCALE))" "[ $took -lt $((240 * SCALE)) ]"
	run "the disk is mounted" "within 60 is_mounted"
	end 0
}

# --- a disk that is added in a session

slice_of() {
	sed -n 's/^0:://p' "/proc/$1/cgroup"
}

added_server() {
	ublk list "$1" | awk '$6 == "pid" { print $7 }'
}

added_supervisor() {
	ublk list "$1" | awk '$1 == "supervisor" { print $3 }'
}

in_session() {
	systemd-run --quiet --scope --slice=user-0.slice "$@"
}

step_session() {
	run "files" "truncate -s 16M /srv/one.img /srv/two.img"
	run "a disk is added in a session, with a supervisor" "in_session ublk add -n 20 -i --supervise /srv/one.img"
	run "its server is in system.slice" "slice_of \$(added_server 20) | grep '^/system.slice/ublk-20-server-.*scope$'"
	run "and so is the supervisor" "slice_of \$(added_supervisor 20) | grep '^/system.slice/ublk-20-supervisor-.*scope$'"
	run "shutdown does not stop them" \
		"scope=\$(basename \$(slice_of \$(added_server 20))); systemctl show -p Conflicts,IgnoreOnIsolate,SurviveFinalKillSignal,SendSIGKILL \$scope | sort | tr '\n' ' ' | grep 'Conflicts= IgnoreOnIsolate=yes SendSIGKILL=no SurviveFinalKillSignal=yes'"
	run "it goes on when the session ends" "! systemctl -q is-active user-0.slice || systemctl stop user-0.slice; dd if=/dev/ublkb20 of=/dev/null bs=4k count=1 iflag=direct status=none"
	run "del" "ublk del 20"
	run "without busctl" "mount --bind /bin/false /usr/bin/busctl && in_session ublk add -n 21 -r --show /srv/two.img; umount /usr/bin/busctl; test -b /dev/ublkb21"
	run "the disk is served where it was added" "slice_of \$(added_server 21) | grep '^/user.slice/'"
	run "which the log says" "within 20 eval 'journalctl -b --no-pager | grep \"dev 21: the server stays in the session\"'"
	run "del" "ublk del 21"
	end 0
}
