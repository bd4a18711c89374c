# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154,SC2317,SC2329 # sourced by guest.sh
#
# More steps of "make check-system": what a new user does, a store that is not what it was,
# soft-reboot, suspend, a shutdown with a server that is stuck, a disk that is added in
# the session of a login, and a disk on a disk.

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
	run "and ends when it is told to" "within 60 ended $writer"
	run "a store that cannot be written" \
		"kill -STOP \$(supervisor) && kill -9 \$(server) && within 20 mount -o remount,ro /srv; kill -CONT \$(supervisor); within 30 told 'Read-only' && systemctl show -P StatusText ublk@data && same_mount"
	run "and can be again" "mount -o remount,rw /srv && within 60 served 0"
	# half of its file system was cut off
	run "a new file system" "umount $mnt && mkfs.ext4 -qF -L udata /dev/disk/by-ublk/data && mount $mnt"
	end 0
}

# --- soft-reboot

# The mounts of the disk and of its store, with the kernel's numbers.
soft_mounts() {
	awk -v disk="$mnt" '$5 == disk || $5 == "/srv" { print $1, $5 }' /proc/self/mountinfo
}

same_mounts() {
	soft_mounts | diff /run/soft-mounts - && cat /run/soft-mounts
}

# Is the unit not unmounted by what all shutdowns start, but by each of the others?
soft_is_known() {
	local conflicts target

	conflicts=" $(systemctl show -P Conflicts "$1") "
	for target in halt kexec poweroff reboot; do
		case $conflicts in
		*" $target.target "*) ;;
		*) return 1 ;;
		esac
	done
	case $conflicts in
	*" umount.target "*) return 1 ;;
	esac
}

soft_are_known() {
	local unit

	for unit in "$@"; do
		soft_is_known "$unit" || return
	done
}

# The disk has been used before this boot.
soft_not_replayed() {
	[ ! -e "$mnt/sums" ] ||
		run "no journal was replayed, neither of the disk nor of its store" no_replay
}

# soft_reboot TIMES: each one ends this boot of userspace, and starts the step again.
soft_reboot() {
	local left

	left=$(cat /run/soft 2>/dev/null || echo "$1")
	run "the disk is mounted" "within 60 is_mounted"
	if [ ! -e /run/soft ]; then
		soft_not_replayed
		run "files" "rm -rf $mnt/etc && cp -a /etc $mnt/ && (cd $mnt && find etc -type f -exec sha256sum {} + >sums)"
		server >/run/soft-server
		soft_mounts >/run/soft-mounts
	else
		run "the mounts are the same, of the disk and of its store" same_mounts
		run "its server is the one of before" "[ \"\$(server)\" = $(cat /run/soft-server) ] && cat /run/soft-server"
		run "supervised" "within 60 systemctl -q is-active ublk@data && ublk list data | grep 'supervisor pid'"
		run "no journal was replayed" "! journalctl -b -k --no-pager | grep -iE 'recovery complete|recovering journal|orphan cleanup'"
		run "no ordering cycle" "! journalctl -b --no-pager | grep -i 'ordering cycle'"
		run "the files are the same" sums_hold
		run "and can be written" "echo $left >$mnt/left && sync -f $mnt"
	fi
	[ "$left" -gt 0 ] || return 0
	run "systemd keeps the mounts" "within 60 soft_are_known mnt-data.mount srv.mount"
	echo $((left - 1)) >/run/soft
	systemctl --no-block soft-reboot
	sleep $((300 * SCALE))
	echo "# the soft-reboot does not come"
	end 1
}

step_soft() {
	soft_reboot 1
	fstab "LABEL=udata $mnt ext4 defaults 0 2"
	end 0
}

# The generator does not know this line before the disk is there.
step_soft-label() {
	soft_reboot 2
	fstab "LABEL=udata $mnt ext4 x-systemd.requires=ublk@data.service 0 2"
	end 0
}

step_soft-requires() {
	soft_reboot 1
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
	soft_not_replayed
	mount=$(mount_id)
	run "the test of the kernel" "echo 0 >/sys/power/sync_on_suspend && echo freezer >/sys/power/pm_test && cat /sys/power/pm_test"
	run "with a disk that is served" suspend
	run "the disk has no server" "sync -f $mnt && hold"
	run "processes are frozen and go on" suspend
	dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 iflag=direct status=none &
	reader=$!
	run "a process waits for the disk" "within 20 grep -q '^State:.D' /proc/$reader/status"
	# If that is refused, the kernel shows each process that does not freeze.
	dmesg -n 1
	echo "# with a process that waits for IO: $(suspend 2>&1 | tail -n 1)"
	dmesg -n 7
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

# A session of logind, which ends with the command, and with all that is left in it.
login() {
	runuser -l root -c "$*"
}

# Without KillExcludeUsers= logind leaves what root has started; an empty list is none.
start_bus() {
	tar -xf /share/bus.tar -C / &&
		mkdir -p /etc/systemd/logind.conf.d &&
		printf '%s\n' '[Login]' KillUserProcesses=yes KillExcludeUsers=nobody \
			>/etc/systemd/logind.conf.d/kill.conf &&
		{ grep -q pam_systemd.so /etc/pam.d/runuser-l ||
			echo "session required pam_systemd.so" >>/etc/pam.d/runuser-l; } &&
		systemd-sysusers && systemctl daemon-reload &&
		systemctl start dbus.socket && systemctl restart systemd-logind &&
		within 30 busctl --system status >/dev/null
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

# The test of the test: a process that stays in the session.
is_killed() {
	local pid

	login 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >/run/left'
	pid=$(cat /run/left)
	within 60 ended "$pid" && echo "process $pid has ended with the session"
}

in_system_slice() {
	slice_of "$2" | grep "^/system.slice/ublk-$1-$3-.*scope$"
}

# What the scope of process $1 has to be, so that neither shutdown nor isolate ends it.
scope_is_right() {
	systemctl show -p Conflicts,IgnoreOnIsolate,SurviveFinalKillSignal,SendSIGKILL \
		"$(basename "$(slice_of "$1")")" | sort | tr '\n' ' ' |
		grep 'Conflicts= IgnoreOnIsolate=yes SendSIGKILL=no SurviveFinalKillSignal=yes'
}

hand=/mnt/hand

step_session() {
	local server

	run "a bus, and logind that kills what is left in a session" start_bus
	run "it does" is_killed
	run "files" "truncate -s 16M /srv/one.img /srv/two.img"
	run "a disk is added in a session, with a supervisor" "login ublk add -n 20 -i --supervise /srv/one.img"
	run "its server is in system.slice" "in_system_slice 20 \$(added_server 20) server"
	run "and so is the supervisor" "in_system_slice 20 \$(added_supervisor 20) supervisor"
	run "shutdown and isolate do not stop them" \
		"scope_is_right \$(added_server 20) && scope_is_right \$(added_supervisor 20)"
	server=$(added_server 20)
	run "no session is left" "within 60 eval '! loginctl --no-legend list-sessions | grep .'"
	run "the user's slice ends" "! systemctl -q is-active user-0.slice || systemctl stop user-0.slice"
	run "they go on" \
		"[ \$(added_server 20) = $server ] && dd if=/dev/ublkb20 of=/dev/null bs=4k count=1 iflag=direct status=none && [ -n \"\$(added_supervisor 20)\" ]"
	run "the supervisor replaces the server" "kill -9 $server && within 60 eval '[ \"\$(added_server 20)\" != $server ] && ublk list 20 | grep \"state LIVE\"'"
	run "without busctl" "mount --bind /bin/false /usr/bin/busctl && in_session ublk add -n 21 -r --show /srv/two.img; umount /usr/bin/busctl; test -b /dev/ublkb21"
	run "a server stays in the session" "slice_of \$(added_server 21) | grep '^/user.slice/'"
	run "which the log says" "within 20 eval 'journalctl -b --no-pager | grep \"dev 21: the server stays in the session\"'"
	run "del" "ublk del 21"
	run "a disk is added and mounted in a session" \
		"mkdir -p $hand && login 'ublk add -n 22 -r --quiet /srv/two.img && mkfs.ext4 -q /dev/ublkb22 && mount /dev/ublkb22 $hand'"
	run "its server is in system.slice" "in_system_slice 22 \$(added_server 22) server"
	run "files" "within 60 eval '! loginctl --no-legend list-sessions | grep .'; cp -a /etc $hand/ && (cd $hand && find etc -type f -exec sha256sum {} + >sums)"
	end 0
}

# Their servers were there until the disk was unmounted, and have ended then: neither its
# journal nor that of the store is replayed.
step_session-after() {
	run "the disks were taken away" "journalctl -b -1 --no-pager -u ublk-shutdown | grep 'Finished ublk-shutdown'"
	run "no journal is replayed" \
		"ublk add -n 22 --quiet /srv/two.img && mount /dev/ublkb22 $hand && ! journalctl -b -k --no-pager | grep -iE 'recovery complete|recovering journal|orphan cleanup'"
	run "the files are the same" "cd $hand && sha256sum --quiet -c sums"
	run "unmount, and del" "umount $hand && ublk del 22 && rm /srv/one.img /srv/two.img"
	end 0
}

# --- a disk on a disk

# The file of "above" lies on the file system of "below", whose file lies on that of the
# second disk. It has a partition, which fstab has by its label alone.
chain_dirs="/mnt/below /mnt/above"

step_chain() {
	fstab "LABEL=ubelow /mnt/below ext4 x-systemd.wants=ublk@below.service 0 2
LABEL=uabove /mnt/above ext4 defaults 0 2"
	# shellcheck disable=SC2086 # a list
	mkdir -p $chain_dirs
	run "without the other disk" "{ ! is_mounted || umount $mnt; } && systemctl stop ublk@data && rm $conf"
	run "a disk" \
		"truncate -s 96M /srv/below.img && printf '%s\n' 'file = /srv/below.img' 'user-recovery-reissue = yes' >/etc/ublk/below.conf && systemctl daemon-reload && systemctl start ublk@below && mkfs.ext4 -q -L ubelow /dev/disk/by-ublk/below && within 60 test -e /dev/disk/by-label/ubelow && systemctl start mnt-below.mount"
	run "a disk on it" \
		"truncate -s 32M /mnt/below/above.img && printf '%s\n' 'file = /mnt/below/above.img' 'user-recovery-reissue = yes' >/etc/ublk/above.conf && systemctl daemon-reload && systemctl start ublk@above"
	run "with a partition" \
		"echo , | sfdisk -q --label gpt /dev/disk/by-ublk/above && within 60 test -b /dev/disk/by-ublk/above-part1 && mkfs.ext4 -q -L uabove /dev/disk/by-ublk/above-part1 && within 60 test -e /dev/disk/by-label/uabove && systemctl start mnt-above.mount"
	end 0
}

chain_is_mounted() {
	findmnt -n /srv && findmnt -n /mnt/below && findmnt -n /mnt/above
}

# Of three file systems, one of them on a partition.
chain_no_replay() {
	! journalctl -b --no-pager | grep -iE 'recovery complete|recovering journal|orphan cleanup' &&
		journalctl -b -k --no-pager | grep -cE 'EXT4-fs \((vdb|ublkb[0-9]+(p1)?)\): mounted' | grep -x 3
}

# udev must not read a partition of a disk that waits, and keeps its links.
chain_held() {
	local pid node link status=0

	pid=$(systemctl show -P MainPID ublk@above)
	node=$(basename "$(readlink /dev/disk/by-ublk/above)")
	kill -STOP "$pid"
	kill -9 "$(added_server above)"
	within 20 ublk udev-held "$node" || status=1
	udevadm trigger --action=change "/sys/class/block/$node" "/sys/class/block/${node}p1"
	udevadm settle --timeout=$((20 * SCALE)) || { echo "udev waits"; status=1; }
	for link in by-label/uabove by-ublk/above-part1 \
		"by-partuuid/$(udevadm info -q property --property=ID_PART_ENTRY_UUID --value "/dev/${node}p1")"; do
		[ -b "/dev/disk/$link" ] || { echo "no $link"; status=1; }
	done
	kill -CONT "$pid"
	within 30 eval 'ublk list above | grep -q "state LIVE"' || status=1
	return "$status"
}

step_chain-after() {
	run "all is mounted" "within 60 chain_is_mounted"
	run "no ordering cycle" no_cycle
	run "no journal was replayed, of none of the three" chain_no_replay
	run "systemd keeps all of them over a soft-reboot" \
		"within 60 soft_are_known mnt-above.mount mnt-below.mount srv.mount"
	run "an event while the upper disk waits" chain_held
	run "kill -9 of the server below" \
		"pid=\$(added_server below); kill -9 \$pid && within 60 eval '[ \"\$(added_server below)\" != \$pid ] && ublk list below | grep -q \"state LIVE\"'"
	run "files" "cp -a /etc /mnt/above/ && (cd /mnt/above && find etc -type f -exec sha256sum {} + >sums) && sync"
	run "all is mounted" chain_is_mounted
	end 0
}

step_chain-end() {
	run "all is mounted" "within 60 chain_is_mounted"
	run "no ordering cycle" no_cycle
	run "no journal was replayed, of none of the three" chain_no_replay
	run "the files are the same" "cd /mnt/above && sha256sum --quiet -c sums"
	run "the upper one first" "umount /mnt/above && systemctl stop ublk@above && umount /mnt/below && systemctl stop ublk@below"
	rm -f /etc/ublk/above.conf /etc/ublk/below.conf /srv/below.img
	fstab
	end 0
}
