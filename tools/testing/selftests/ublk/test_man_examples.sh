#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The examples in the manual pages of program and targets work as printed, line by line, in
# an empty directory, if the first device that they add is 0. They leave nothing
# behind.
#
# runner: stock timeout=900

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require fio mkfs.ext4 blkzone
pages=$LIB_SRV/man
[ -e "$pages/ublk-loop.5.rst" ] || skip_all "no manual pages here"
[ ! -e /dev/ublkc0 ] || skip_all "device 0 is in use"
PATH=$(dirname -- "$(command -v "$UBLK")"):$PATH
DEBUG=/sys/kernel/debug
TRACING=/sys/kernel/tracing
[ -d "$DEBUG/block" ] || mount -t debugfs none "$DEBUG" 2>/dev/null
[ -d "$TRACING/events" ] || mount -t tracefs none "$TRACING" 2>/dev/null

# Each indented block of the section goes to a file of its own.
examples_of() {
	awk -v out="$TMP/example" '
		/^EXAMPLES$/ { section = 1 }
		/^DESCRIPTION$/ { exit }
		section && /^\t/ {
			if (!open)
				file = out (++nr)
			open = 1
			print substr($0, 2) >file
			next
		}
		/^[^\t]/ { open = 0 }' "$1"
}

run_example() {
	rm -rf "$TMP/dir"
	mkdir "$TMP/dir"
	(cd "$TMP/dir" && timeout "$((90 * SCALE))" bash -ex "$1") && return
	umount -q /mnt
	"$UBLK" del -a
	[ ! -d "$TRACING/events/ublk" ] || echo 0 >"$TRACING/events/ublk/enable"
	return 1
}

for page in "$pages"/ublk.1.rst "$pages"/ublk.conf.5.rst "$pages"/ublk-*.[57].rst; do
	rm -f "$TMP"/example*
	examples_of "$page"
	name=$(basename "$page" .rst)
	if [ "$name" = ublk-zoned.5 ] && ! has_feature ZONED; then
		skip "$name" "driver without ZONED"
		continue
	fi
	if [ "$name" = ublk-debug.7 ] && ! { [ -d "$DEBUG/ublk" ] && [ -d "$TRACING/events/ublk" ]; }; then
		skip "$name" "a driver without debugfs and tracepoints, or a kernel"
		continue
	fi
	# "make check-net" runs them, on a cluster
	[ "$name" != ublk-rbd.5 ] || continue
	case $name in
	ublk-nbd.5 | ublk-nbdkit.5 | ublk-image.5)
		export UBLK_TARGET_DIR=$LIB_SRV/targets
		"$UBLK" help -t nbd >/dev/null 2>&1 || {
			skip "$name" "the target was not compiled: no libnbd"
			continue
		} ;;
	esac
	check "$name: has examples" test -e "$TMP/example2"
	for example in "$TMP"/example*; do
		check "$name: $(grep -m 1 -o 'ublk .*' "$example")" \
			run_example "$example"
		check "$name: leaves nothing" not test -e /dev/ublkc0
	done
done
finish
