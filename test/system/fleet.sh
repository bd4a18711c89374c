# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154,SC2317,SC2329 # sourced by guest.sh
#
# Steps of "make check-system" with 16 declared disks in four modes, whose files lie on one
# second disk: orderly reboots, power that fails under IO while one disk has lost its
# server, a full /run at boot, and another version of the program under IO.

FLEET=16
fleet_sums=/var/lib/ublk-test

# The lines for disk N that choose how its data moves.
fleet_mode() {
	case $(($1 % 4)) in
	0) echo "redirect = yes" ;;
	1) echo "copy = yes" ;;
	2) printf '%s\n' "usercopy = yes" "no-redirect = yes" ;;
	3) echo "zerocopy = yes" ;;
	esac
}

each_disk() {
	local i

	for ((i = 0; i < FLEET; i++)); do
		"$@" "$i" || { echo "disk f$i"; return 1; }
	done
}

fleet_declare() {
	truncate -s 12M "/srv/fleet/f$1.img" &&
		printf '%s\n' "file = /srv/fleet/f$1.img" "user-recovery-reissue = yes" \
			"$(fleet_mode "$1")" >"/etc/ublk/f$1.conf"
}

# The node of disk N, by what the program says.
fleet_node() {
	echo "/dev/ublkb$(ublk list "f$1" | sed -n 's/^dev id \([0-9]*\):.*/\1/p')"
}

fleet_has_link() {
	[ "$(readlink -f "/dev/disk/by-ublk/f$1")" = "$(fleet_node "$1")" ]
}

fleet_is_live() {
	[ -b "$(fleet_node "$1")" ] && systemctl -q is-active "ublk@f$1" &&
		ublk list "f$1" | grep -q 'state LIVE'
}

# The first 8 MiB are written once, and compared after each boot; IO goes to the rest.
fleet_write() {
	head -c 8M /dev/urandom | tee >(sha256sum >"$fleet_sums/f$1") |
		dd of="$(fleet_node "$1")" bs=1M iflag=fullblock oflag=direct conv=fsync status=none
}

fleet_compare() {
	[ "$(dd if="$(fleet_node "$1")" bs=1M count=8 iflag=direct status=none | sha256sum)" = \
		"$(cat "$fleet_sums/f$1")" ]
}

fleet_modes() {
	ublk list | sed -n 's/^\tmode //p' | sort | uniq -c
}

# Boot has ended, within the time that systemd waits for a disk.
fleet_boot_time() {
	local usec

	within 180 booted || { systemctl list-jobs; return 1; }
	usec=$(systemctl show -P FinishTimestampMonotonic)
	echo "$((usec / 1000000)) s after the kernel's start"
	[ "$((usec / 1000000))" -lt "$((90 * SCALE))" ]
}

booted() {
	[ "$(systemctl show -P FinishTimestampMonotonic)" != 0 ]
}

fleet_all_there() {
	run "boot ends in time" fleet_boot_time
	run "all $FLEET disks are there" "within 60 each_disk fleet_is_live && ublk list | grep -c 'state LIVE' | grep -x $FLEET"
	run "in four modes" "fleet_modes && [ \$(fleet_modes | wc -l) -eq 4 ]"
	run "with their data" "each_disk fleet_compare"
	run "no ordering cycle" "no_cycle"
}

# Not with a full /run, where udev has no room for what it knows of a disk.
fleet_links() {
	run "with their links" "within 60 each_disk fleet_has_link"
}

# Verifying IO on the last 4 MiB of each disk.
fleet_io() {
	local i
	local jobs=()

	for ((i = 0; i < FLEET; i++)); do
		jobs+=("--name=f$i" "--filename=/dev/disk/by-ublk/f$i")
	done
	exec fio --ioengine=psync --direct=1 --bs=4k --rw=randrw --offset=8M --size=4M --verify=crc32c \
		--verify_fatal=1 --verify_state_save=0 --time_based --runtime=$((600 * SCALE)) \
		--rate_iops=20 --minimal "${jobs[@]}" >/run/fio.out 2>/run/fio.err
}

# A line for each disk, whose fifth word is its error.
fleet_io_was_right() {
	cat /run/fio.err
	awk -F';' -v nr="$FLEET" '$1 == 3 { found++; bad += $5 != 0 } END { print found " disks, " bad + 0 " errors"; exit bad || found != nr }' /run/fio.out &&
		! grep -hE 'verify:|error=[1-9]' /run/fio.out /run/fio.err
}

fleet_reads() {
	[ "$(awk '$3 ~ /^ublkb[0-9]+$/ && $4 > 20 && $8 > 20' /proc/diskstats | wc -l)" -eq "$FLEET" ]
}

step_fleet-make() {
	mkdir -p "$fleet_sums" /etc/ublk
	rm -f /etc/ublk/*.conf
	fstab
	run "the store is mounted" "systemctl daemon-reload; findmnt -n /srv || mount /srv"
	mkdir -p /srv/fleet
	run "$FLEET disks are declared" "rm -f /srv/data.img && each_disk fleet_declare && systemctl daemon-reload"
	run "and start" "systemctl start \$(seq -f 'ublk@f%g' 0 $((FLEET - 1)))"
	run "all are there" "each_disk fleet_is_live"
	run "data" "each_disk fleet_write"
	end 0
}

# After an orderly reboot; then the power fails, under IO, with an orphan.
step_fleet-power() {
	fleet_all_there
	fleet_links
	run "the store needed no replay" "! journalctl -b -k --no-pager | grep -iE 'recovery complete|recovering journal'"
	fleet_io &
	run "IO on all disks" "within 60 fleet_reads"
	run "one disk has lost its server" \
		"kill -STOP \$(systemctl show -P MainPID ublk@f3) && kill -9 \$(fleet_server 3) && within 20 ublk udev-held \$(basename \$(readlink /dev/disk/by-ublk/f3))"
	# The root has no journal: what it has so far is not to be lost.
	sync -f /
	sed -i 1d /share/steps
	echo "# the power fails"
	echo b >/proc/sysrq-trigger
	sleep 60
}

# After that, and then a boot with a full /run.
step_fleet-crash() {
	fleet_all_there
	fleet_links
	mkdir -p /etc/systemd/system/ublk@.service.d
	# udev has seen the disk of the store by then, which needs space in /run, too
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'After=srv.mount' '[Service]' 'Type=oneshot' \
		RemainAfterExit=yes \
		"ExecStart=/bin/sh -c 'mount -o remount,size=64M /run; dd if=/dev/zero of=/run/fill bs=64k 2>/dev/null; dd if=/dev/zero of=/run/fill2 bs=512 2>/dev/null; true'" \
		>/etc/systemd/system/fill-run.service
	printf '%s\n' '[Unit]' 'Wants=fill-run.service' 'After=fill-run.service' \
		>/etc/systemd/system/ublk@.service.d/fill.conf
	end 0
}

# systemd and udev free and take single pages.
fleet_run_is_full() {
	df /run /run/ublk
	! dd if=/dev/zero of=/run/more bs=64k count=1 status=none && rm -f /run/more
}

fleet_run_is_filled() {
	systemctl -q is-active fill-run && fleet_run_is_full
}

fleet_kill() {
	local pid

	pid=$(fleet_server "$1")
	kill -9 "$pid" && within 60 fleet_served_by_another "$1" "$pid"
}

fleet_server() {
	ublk list "f$1" | awk '$6 == "pid" { print $7 }'
}

fleet_served_by_another() {
	fleet_is_live "$1" && [ "$(fleet_server "$1")" != "$2" ]
}

step_fleet-full() {
	run "/run is full" "within 120 fleet_run_is_filled"
	fleet_all_there
	run "servers that die are replaced" "each_disk fleet_kill"
	run "/run is still full" fleet_run_is_full
	run "the data is the same" "each_disk fleet_compare"
	rm -f /run/fill /run/fill2
	rm /etc/systemd/system/ublk@.service.d/fill.conf /etc/systemd/system/fill-run.service
	end 0
}

# Another version of the program: the same, in a new file.
fleet_main_pids() {
	systemctl show -P MainPID $(seq -f 'ublk@f%g' 0 $((FLEET - 1))) | grep .
}

fleet_programs() {
	local pid

	for pid in $(fleet_main_pids) $(ublk list | awk '$6 == "pid" { print $7 }'); do
		[ "$(readlink "/proc/$pid/exe")" = /usr/sbin/ublk ] || { readlink "/proc/$pid/exe"; return 1; }
	done
}

fleet_upgrade() {
	ublk upgrade --all >/run/upgraded || { cat /run/upgraded; return 1; }
	[ "$(grep -c ': upgraded, served by .* supervised by' /run/upgraded)" -eq "$FLEET" ] || { cat /run/upgraded; return 1; }
	sed 's/.*waited \(.*\) ms/\1/' /run/upgraded | sort -n |
		awk '{ at[NR] = $1 } END { print NR " disks, IO waited: median " at[int((NR + 1) / 2)] " ms, maximum " at[NR] " ms" }'
}

step_fleet-upgrade() {
	local fio before

	fleet_all_there
	fleet_links
	fleet_io &
	fio=$!
	run "IO on all disks" "within 60 fleet_reads"
	before=$(fleet_main_pids)
	run "a new file of the program" "cp /usr/sbin/ublk /usr/sbin/ublk.new && mv /usr/sbin/ublk.new /usr/sbin/ublk"
	run "is not yet what runs" "! fleet_programs"
	run "ublk upgrade --all" fleet_upgrade
	run "all servers and supervisors have it" fleet_programs
	run "the main processes are the same" "[ \"\$(fleet_main_pids)\" = '$before' ]"
	run "IO goes on" "kill -0 $fio"
	kill -INT "$fio"
	wait "$fio"
	run "no error, and no wrong data" fleet_io_was_right
	run "systemd is content" "! systemctl is-failed 'ublk@*'"
	run "the data is the same" "each_disk fleet_compare"
	end 0
}
