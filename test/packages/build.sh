#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: build.sh [--version VERSION] [--output DIR]
#
# make deb: build the packages of debian/ and leave them, and the source package, in
# DIR, by default build/deb. The checkout is copied to the cache first; nothing else
# is written into it. --version adds an entry to the copy's changelog, so that the
# packages are an upgrade, and does not run the unit tests.

set -eu
# shellcheck source=test/packages/lib.sh
. "$(dirname -- "$0")/lib.sh"

version=
output=$TOP_DIR/build/deb
while [ $# -gt 0 ]; do
	case $1 in
	--version) version=$2; shift ;;
	--output) output=$2; shift ;;
	*) vm_die "unknown argument $1" ;;
	esac
	shift
done

vm_become_root ${version:+--version "$version"} --output "$output"
mkdir -p "$output"
output=$(cd "$output" && pwd)
root=$("$PACKAGES_DIR/root.sh")
work=$(vm_work_dir packages)
vm_lock 7 "$(basename "$work")"
mkdir -p "$work/src"
# Products of an earlier build, which the filter of vm_sync would keep in part.
rm -rf "$work/src/debian"
vm_sync "$work/src"
if [ -n "$version" ]; then
	{
		printf 'ublk (%s) unstable; urgency=medium\n\n  * Build.\n\n' "$version"
		sed -n '/^ -- /{p;q}' "$TOP_DIR/debian/changelog"
		echo
		cat "$TOP_DIR/debian/changelog"
	} >"$work/src/debian/changelog"
fi
find "$work" -maxdepth 1 -type f -delete

# shellcheck disable=SC2016 # for the other shell
packages_enter "$root" "$work" /build/ublk /bin/sh -c '
	cd src && DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc) $1" \
		dpkg-buildpackage --no-sign --build=full' sh ${version:+nocheck} \
		>"$work/log" 2>&1 || {
	tail -n 40 "$work/log" >&2
	vm_die "cannot build the packages (see above)"
}
grep 'warning:' "$work/log" | grep -v 'diversions involved' >&2 || true
find "$output" -maxdepth 1 -type f -name '*ublk*' -delete
find "$work" -maxdepth 1 -type f ! -name log -exec cp {} "$output/" \;
(cd "$output" && printf '%s\n' "$PWD"/*.deb)
