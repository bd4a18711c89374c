#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: series.sh [--refresh] [SERIES...]
#
# Compile the driver for every kernel series from the oldest supported one on
# (UBLK_SERIES in config.sh) that the archive has headers of, but the guest's, for
# which the static gates and every run compile it. A warning is an error. Then
# install it below a DESTDIR, and uninstall it. It is not loaded: the tests run on
# the guest's kernel. KTAP, one test a series; those that the archive has no headers
# of are named in one that is skipped.
#
# The products stay in the cache, so a second run compiles what changed. Which series
# the archive has is what its package lists said when they were read last; --refresh
# reads them.

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

# Series of Linux that no release of Debian keeps: its backports pass through them.
PASSING="6.13 6.14 6.15 6.16 6.17 6.18 6.19 7.0 7.1"

# Every series from the oldest supported one on.
all_series() {
	local oldest=${UBLK_SERIES##* }

	# shellcheck disable=SC2086
	printf '%s\n' $UBLK_SERIES $PASSING $have | sort -uV | sed -n "/^$oldest\$/,\$p"
}

# Series that the archive has, or has had.
have_series() {
	vm_series
	find "$VM_CACHE" -maxdepth 1 -name 'headers-*' -type l -printf '%f\n' |
		sed 's/^headers-//'
}

gone=()
if [ $# -eq 0 ]; then
	guest=$(cat "$("$VM_DIR/root.sh")/release") || exit 1
	if [ ${#refresh[@]} -gt 0 ] || [ ! -e "$VM_CACHE/apt/updated" ]; then
		VM_REFRESH=1 vm_apt_update
	fi
	have=$(have_series)
	for series in $(all_series); do
		case $guest in "$series".*) continue ;; esac
		if grep -qxF "$series" <<<"$have"; then
			set -- "$@" "$series"
		else
			gone+=("$series")
		fi
	done
fi

echo "KTAP version 1"
echo "1..$(($# + (${#gone[@]} > 0)))"
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
[ ${#gone[@]} -eq 0 ] ||
	echo "ok $((number + 1)) others # SKIP not checked, the archive has no headers: ${gone[*]}"
exit "$failed"
