# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Common part of the scripts in test/vm: where things are, how to become root,
# which archive to ask. Sourced, never run.
#
# Everything made here lives in one cache directory outside the checkout:
#   apt/                private package lists of the guest's release
#   root-SERIES-KEY/    guest root (directory and disk image), kernel, modules
#   net-root-KEY/       that with what check-net and bench-net need
#   compile-KEY/        what compiles kernels; cross-KEY/ also for other machines
#   emulator-SUITE/     QEMU with its libraries
#   headers-RELEASE/    what modules for another kernel are compiled against
#   kernel-RELEASE-KEY/ that and a kernel of another series to boot
#   source-VERSION/     unpacked kernel source
#   source-VERSION-tools-KEY/  what gates and tests need of it
#   work-CHECKOUT-RELEASE/  copy of one checkout with its build products
#   host-CHECKOUT/      what tests of the host compile
#   memory/             what all checkouts share: objects of ccache, clean verdicts
#   packages-root-KEY/  Debian in which packages are built (test/packages)
#   packages-image-KEY/ clean Debian in which they are tested
# Each is made under a temporary name and renamed when complete.

VM_DIR=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
TOP_DIR=$(cd -P -- "$VM_DIR/../.." && pwd)
# shellcheck source=test/vm/config.sh
. "$VM_DIR/config.sh"

VM_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ublk-vm
VM_PROG=$(basename -- "$0")
VM_T0=$(date +%s)

vm_log() {
	printf '# %s: %s\n' "$VM_PROG" "$*" >&2
}

vm_die() {
	printf '%s: %s\n' "$VM_PROG" "$*" >&2
	exit 1
}

# vm_number OPTION VALUE: the value has to be one.
vm_number() {
	case $2 in '' | *[!0-9]*) vm_die "$1 $2: not a number" ;; esac
}

# Run a command as root, or say why that cannot be.
vm_as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		vm_die "'$1' needs root: run this as root or install sudo"
	fi
}

# Start this script again as root, with the caller's cache and settings.
vm_become_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null ||
		vm_die "must be root (chroot, file ownership): run as root or install sudo"
	exec sudo -- env "PATH=$PATH" "HOME=$HOME" \
		${XDG_CACHE_HOME:+"XDG_CACHE_HOME=$XDG_CACHE_HOME"} \
		${UBLK_MIRROR:+"UBLK_MIRROR=$UBLK_MIRROR"} \
		${KERNEL:+"KERNEL=$KERNEL"} ${UBLK_ROOT:+"UBLK_ROOT=$UBLK_ROOT"} "$0" "$@"
}

# vm_lock FD NAME: wait for the lock NAME of the cache, held until FD closes.
vm_lock() {
	mkdir -p "$VM_CACHE"
	eval "exec $1>\"\$VM_CACHE/$2.lock\""
	flock -n "$1" && return
	vm_log "waiting for another run that holds $2"
	flock -w 1800 "$1" || vm_die "$VM_CACHE/$2.lock is held for 30 minutes: stop the other run"
}

# vm_used KIND DIR: DIR is used now; others of the cache whose names begin with "KIND-"
# and that nobody used for two weeks are removed.
vm_used() {
	local old

	touch "$2/.used"
	find "$VM_CACHE" -maxdepth 2 -path "*/$1-*/.used" -mtime +14 |
		while read -r old; do
			rm -rf "${old%/.used}"
		done
}

vm_own_mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|//p' | sort | uniq -c | sort -rn |
		awk 'NR == 1 { print $2 }'
}

# The Debian archive that this machine's own apt uses, never one of this file.
# What a source is, apt knows only after an update.
vm_mirror() {
	local url=${UBLK_MIRROR:-}

	[ -n "$url" ] || url=$(vm_own_mirror)
	if [ -z "$url" ]; then
		vm_as_root apt-get update -qq >/dev/null 2>&1 || true
		url=$(vm_own_mirror)
	fi
	[ -n "$url" ] || vm_die "no Debian archive in this machine's apt configuration:" \
		"add one to /etc/apt, or set UBLK_MIRROR to the URL of one"
	printf '%s\n' "${url%/}"
}

VM_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

vm_sources_list() {
	local mirror

	mirror=$(vm_mirror) || exit 1
	printf 'deb [signed-by=%s] %s %s main\n' \
		"$VM_KEYRING" "$mirror" "$UBLK_SUITE" \
		"$VM_KEYRING" "$mirror" "$UBLK_SUITE-backports"
}

# vm_mmdebstrap ARGS: what every use of mmdebstrap here has in common.
# Documentation and translations only cost time. force-unsafe-io drops fsyncs,
# which a directory that is thrown away on failure does not need. VM_FOREIGN is a
# second architecture.
vm_mmdebstrap() {
	local options=() proxy

	proxy=$(apt-config dump --no-empty --format '%f "%v";%n' \
		Acquire::http::Proxy Acquire::https::Proxy || true)
	[ -z "$proxy" ] || options+=(--aptopt="$proxy")
	TMPDIR=$VM_CACHE mmdebstrap --quiet --mode=root \
		--architectures="amd64${VM_FOREIGN:+,$VM_FOREIGN}" \
		--aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' "${options[@]}" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt=force-unsafe-io "$@"
}

# vm_qemu DIR: set VM_QEMU to the command that runs the emulator unpacked in DIR.
vm_qemu() {
	local lib=$1/usr/lib/x86_64-linux-gnu

	VM_QEMU=("$lib/ld-linux-x86-64.so.2" --library-path "$lib"
		"$1/usr/bin/qemu-system-x86_64"
		-L "$1/usr/share/qemu" -L "$1/usr/share/seabios")
}

# vm_apt TOOL ARGS: apt on the lists of the guest's release instead of the
# host's. Touches nothing of the host's package state.
vm_apt() {
	local tool=$1 dir=$VM_CACHE/apt
	shift

	"$tool" -q -o Dir::Etc::SourceList="$dir/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
		-o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$dir" \
		-o Dir::State::Status="$dir/status" -o Dir::Cache="$dir" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o Acquire::Retries=3 "$@"
}

# Bring the private lists up to date, at most once an hour.
vm_apt_update() {
	local dir=$VM_CACHE/apt list

	vm_lock 5 apt
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	list=$(vm_sources_list) || exit 1
	if [ -z "${VM_REFRESH:-}" ] &&
	   [ "$(cat "$dir/sources.list" 2>/dev/null)" = "$list" ] &&
	   [ -n "$(find "$dir/updated" -mmin -60 2>/dev/null)" ]; then
		exec 5>&-
		return 0
	fi
	printf '%s\n' "$list" >"$dir/sources.list"
	: >"$dir/status"
	vm_apt apt-get update -qq >&2 ||
		vm_die "cannot read the package lists of $UBLK_SUITE: is the archive reachable?"
	touch "$dir/updated"
	exec 5>&-
}

# vm_kernel_of SERIES: newest release of a series that can be installed whole.
vm_kernel_of() {
	vm_apt apt-cache pkgnames "linux-headers-$1." |
		sed -n "s/^linux-headers-\($1\.[0-9]*[^-]*-amd64\)\$/\1/p" |
		sort -rV | while read -r release; do
			if vm_apt apt-cache show "linux-modules-$release" \
				"linux-binary-$release" >/dev/null 2>&1 ||
			   vm_apt apt-cache show "linux-image-$release" >/dev/null 2>&1; then
				printf '%s\n' "$release"
				break
			fi
		done
}

# vm_series: the kernel series that the archive has headers of, one a line.
vm_series() {
	vm_apt apt-cache pkgnames linux-headers- |
		sed -nE 's/^linux-headers-([0-9]+\.[0-9]+)\.[0-9]+[^-]*-amd64$/\1/p' |
		sort -uV
}

# vm_work_dir RELEASE: this checkout's copy and build products for one kernel.
vm_work_dir() {
	printf '%s/work-%s-%s%s\n' "$VM_CACHE" \
		"$(printf %s "$TOP_DIR" | sha256sum | cut -c1-12)" "$1" \
		"${UBLK_ROOT:+-$UBLK_ROOT}"
}

# The directory of the guest's root, or with UBLK_ROOT=net that of net-root.sh.
vm_root() {
	case ${UBLK_ROOT:-} in
	'') "$VM_DIR/root.sh" ;;
	net) "$VM_DIR/net-root.sh" ;;
	*) vm_die "UBLK_ROOT=$UBLK_ROOT: must be net, or not set" ;;
	esac
}

# What tests of the host compile for this checkout.
vm_host_dir() {
	printf '%s/host-%s\n' "$VM_CACHE" "$(printf %s "$TOP_DIR" | sha256sum | cut -c1-12)"
}

# vm_sync DIR: bring the copy of this checkout up to date. Files that .gitignore
# names are products: neither copied from the checkout nor removed from DIR.
vm_sync() {
	rsync -a --delete --exclude=/.git --filter=':- .gitignore' "$TOP_DIR/" "$1/"
}

# lost_options FRAGMENT CONFIG: options of the fragment that the configuration of a
# kernel does not have as wanted.
lost_options() {
	local line name

	while read -r line; do
		case $line in
		CONFIG_*=n)
			name=${line%=n}
			! grep -q "^$name=" "$2" || echo "$name=n"
			;;
		CONFIG_*)
			grep -qxF "$line" "$2" || echo "$line"
			;;
		esac
	done <"$1"
}

# vm_debug_config FILE: debug.config, but an option that the file has is as that says.
vm_debug_config() {
	grep -vE "^($(sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1/p' "$1" | paste -sd '|'))=" \
		"$VM_DIR/debug.config"
	cat "$1"
}

# vm_compiler ROOT OUT SCRIPT HOST:DIR...: run the script in the root of
# compile-root.sh. OUT is /mnt/out there, each HOST, a directory or a file, is at DIR,
# read-only.
vm_compiler() {
	unshare --mount -- /bin/bash -c \
		"$(declare -f vm_enter_compiler); vm_enter_compiler \"\$@\"" bash "$@"
}

# Runs in a mount namespace of its own.
# shellcheck disable=SC2317,SC2329
vm_enter_compiler() {
	local root=$1 out=$2 script=$3 bind

	set -eu
	shift 3
	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	mount --bind "$out" "$root/mnt/out"
	for bind; do
		mount --bind "${bind%:*}" "$root${bind##*:}"
		mount -o remount,bind,ro "$root${bind##*:}"
	done
	exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		KBUILD_BUILD_USER=ublk KBUILD_BUILD_HOST=guest KBUILD_BUILD_TIMESTAMP=0 \
		/bin/bash -c "$script"
}
