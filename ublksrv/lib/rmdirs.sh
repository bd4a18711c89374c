#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR MIT
#
# usage: rmdirs.sh DESTDIR PREFIX DIR...
#
# "make uninstall": remove the directories that are empty, and above them those
# that get empty, below DESTDIR. Without DESTDIR only PREFIX and what is below it,
# and of the system's own directories only those that few packages have.

set -eu
destdir=$1
prefix=${2%/}
shift 2

# May this directory be removed when it is empty?
ours() {
	[ "$1" != / ] || return 1
	[ -z "$destdir" ] || return 0
	case $1 in
	/lib/modules/*/*/drivers | /lib/modules/*/*/drivers/*) return 0 ;;
	/usr | /usr/* | /lib | /lib/* | /bin | /sbin | /etc | /etc/*) ;;
	*)
		case $1 in
		"${prefix:-/}" | "$prefix"/*) return 0 ;;
		*) return 1 ;;
		esac
		;;
	esac
	case ${1##*/} in
	ublk | pkgconfig | completions | bash-completion) return 0 ;;
	halt.target.wants | kexec.target.wants | poweroff.target.wants | reboot.target.wants) return 0 ;;
	zsh | site-functions | fish | vendor_completions.d) return 0 ;;
	*) return 1 ;;
	esac
}

for dir; do
	dir=${dir%/}
	while [ -n "$dir" ] && ours "$dir"; do
		# One that is not there was removed before.
		[ ! -d "$destdir$dir" ] || rmdir "$destdir$dir" 2>/dev/null || break
		dir=${dir%/*}
	done
done
