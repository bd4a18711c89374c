#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: series.sh [--refresh] [SERIES...]
#
# Compile the driver for every supported kernel series (UBLK_SERIES in config.sh)
# but the guest's, for which the static gates and every run compile it. A warning
# is an error. Then install it below a DESTDIR, and uninstall it. It is not loaded:
# the tests run on the guest's kernel. KTAP, one test a series; one that the archive
# has no headers of is skipped.
#
# The products stay in the cache, so a second run compiles what changed.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

refresh=()
if [ "${1:-}" = --refresh ]; then
	refresh=(--refresh)
	shift
fi

# Runs in the chroot, in the copy of the checkout.
# shellcheck disable=SC2317,SC2329
build() {
	set -eu
	dest=/tmp/dest
	module=lib/modules/$1/updates/drivers/block/ublk/ublk_drv.ko
	run() {
		make -s -j"$(nproc)" KDIR="$KDIR" W=1e DESTDIR="$dest" "$@"
	}

	run modules
	mkdir "$dest"
	run install-modules
	found=$(cd "$dest" && find . ! -type d)
	[ "$found" = "./$module" ] || {
		echo "installed \"$found\", not \"$module\""
		exit 1
	}
	run uninstall-modules
	found=$(find "$dest" -mindepth 1)
	[ -z "$found" ] || {
		echo "left by uninstall: $found"
		exit 1
	}
}

# Compile for one series. Return: 4 with the reason if it cannot be had.
compile() {
	local dir release status=0

	dir=$("$VM_DIR/kernel-headers.sh" "${refresh[@]}" "$1") || status=$?
	if [ "$status" -ne 0 ]; then
		echo "$dir"
		return "$status"
	fi
	release=$(cat "$dir/release")
	"$VM_DIR/chroot.sh" --kernel "$dir" -- \
		/bin/bash -c "$(declare -f build); build '$release'" &&
		echo "compiled for $release"
}

if [ $# -eq 0 ]; then
	guest=$(cat "$("$VM_DIR/root.sh")/release") || exit 1
	for series in $UBLK_SERIES; do
		case $guest in
		"$series".*) ;;
		*) set -- "$@" "$series" ;;
		esac
	done
fi

echo "KTAP version 1"
[ $# -gt 0 ] || echo "1..0 # SKIP the guest's kernel is the only supported one"
[ $# -eq 0 ] || echo "1..$#"
number=0
failed=0
for series; do
	number=$((number + 1))
	output=$(compile "$series" 2>&1)
	status=$?
	output=$(grep -v "^# " <<<"$output")
	case $status in
	0)
		printf '# %s\n' "${output//$'\n'/$'\n# '}"
		echo "ok $number $series"
		;;
	4)
		echo "ok $number $series # SKIP $(tail -n 1 <<<"$output")"
		;;
	*)
		tail -n 100 <<<"$output" | sed 's/^/# /'
		echo "not ok $number $series"
		failed=1
		;;
	esac
done
exit "$failed"
