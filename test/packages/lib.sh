# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Common part of the scripts in test/packages, on top of that of test/vm. Sourced,
# never run.

PACKAGES_DIR=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/vm/lib.sh
. "$PACKAGES_DIR/../vm/lib.sh"

# packages_key TEXT [FILE...]: short name of something that is made of these.
packages_key() {
	local text=$1
	shift

	{ echo "$text"; cat "$VM_DIR/config.sh" "$@"; } |
		sha256sum | cut -c1-12
}

# packages_enter ROOT HOSTDIR DIR COMMAND [ARG...]: run a command in a Debian system,
# with HOSTDIR as its directory DIR, which is the current one.
packages_enter() {
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount -- /bin/bash -c '
		set -eu
		root=$1
		mount --make-rprivate /
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		mkdir -p "$root$3"
		mount --bind "$2" "$root$3"
		shift 2
		exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			DEBIAN_FRONTEND=noninteractive \
			/bin/sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$@"
	' enter "$@"
}

# packages_index DIR: make the package list that apt reads there.
packages_index() {
	packages_enter "$("$PACKAGES_DIR/root.sh")" "$1" /build/repo \
		/bin/sh -c 'dpkg-scanpackages --multiversion . >Packages 2>/dev/null'
}
