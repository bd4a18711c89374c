#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016 # for the shell of the loader
#
# "ublk add" loads the driver: the preferred module, or the kernel's own where the
# signature of that one is refused; not against the administrator's will, and not
# without CAP_SYS_MODULE. /proc/sys/kernel/modprobe says which program loads it.

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require modprobe rmmod capsh
[ -e /sys/module/ublk_drv/refcnt ] || skip_all "ublk_drv is built in"
[ -z "$("$UBLK" list)" ] || skip_all "other ublk devices exist"

LOADER=/proc/sys/kernel/modprobe
before=$(cat "$LOADER")
modprobe=$(command -v modprobe)
defer sh -c "echo $before >$LOADER; $modprobe -q ublk_drv"

unload() {
	[ ! -e /sys/module/ublk_drv ] || busywait 5000 rmmod ublk_drv
}

# A loader of our own: this shell text, with the module as $2.
loader() {
	printf '#!/bin/sh\n%s\n' "$1" >"$TMP/loader"
	chmod 755 "$TMP/loader"
	echo "$TMP/loader" >"$LOADER"
}

# What "ublk add" says is in $TMP/err.
add() {
	"$UBLK" add --quiet -n 0 -t null 2>"$TMP/err"
}

loads() {
	local status=0

	add || status=$?
	cat "$TMP/err"
	[ "$status" -eq 0 ] && [ -e /sys/module/ublk_drv ] && "$UBLK" del -n 0
}

# refuses WORDS: status 5, one line with these words, and no module.
refuses() {
	local status=0

	add || status=$?
	cat "$TMP/err"
	[ "$status" -eq 5 ] && [ "$(wc -l <"$TMP/err")" -eq 1 ] &&
		grep -qF -- "$1" "$TMP/err" && [ ! -e /sys/module/ublk_drv ]
}

without_capability() {
	capsh --drop=cap_sys_module -- -c "exec \"$(command -v "$UBLK")\" add -t null -n 0" \
		2>"$TMP/err"
}

may_not() {
	local status=0

	without_capability || status=$?
	cat "$TMP/err"
	[ "$status" -eq 5 ] && grep -qF 'run "modprobe ublk_drv"' "$TMP/err" &&
		[ ! -e /sys/module/ublk_drv ]
}

echo "$modprobe" >"$LOADER"
unload
check "not without CAP_SYS_MODULE" may_not
check "loads the driver" loads
check "says nothing about it" test ! -s "$TMP/err"
check "loaded already" loads

unload
echo >"$LOADER"
check "not if it is switched off" refuses 'run "modprobe ublk_drv"'
loader 'echo "modprobe: FATAL: Module $2 not found" >&2; exit 1'
check "says why modprobe cannot" refuses "modprobe: FATAL: Module ublk_drv not found"
loader 'exit 3'
check "says that it failed without a word" refuses "$TMP/loader: status 3"
rm "$TMP/loader"
check "no such loader" refuses "$TMP/loader: No such file or directory"

mkdir -p /run/modprobe.d
defer rm -f /run/modprobe.d/ublk-test.conf
echo "$modprobe" >"$LOADER"
echo "blacklist ublk_drv" >/run/modprobe.d/ublk-test.conf
check "not from a blacklist" refuses "is ublk_drv on a blacklist"
echo "install ublk_drv /bin/false" >/run/modprobe.d/ublk-test.conf
check "not if the administrator forbids it" refuses "driver not loaded: modprobe: "
rm /run/modprobe.d/ublk-test.conf

own=$(find "/lib/modules/$(uname -r)/kernel/drivers/block/" -name 'ublk_drv.ko*' | head -n 1)
rejecting='[ "$2" != ublk_drv ] || {
	echo "modprobe: ERROR: could not insert '\''ublk_drv'\'': Key was rejected by service" >&2
	exit 1
}'

takes_own() {
	loads && grep -qF "$own" "$TMP/err" && grep -qF "Key was rejected" "$TMP/err"
}

# A module that does not come with the kernel taints it.
is_own() {
	! grep O /sys/module/ublk_drv/taint
}

# DKMS puts it away when it installs one of that name.
takes_kept() {
	local dir kept ret=0

	dir=/var/lib/dkms/ublk/original_module/$(uname -r)/$(uname -m)
	kept=$dir/${own##*/}
	mkdir -p "$dir" && mv "$own" "$kept" || return
	defer mv "$kept" "$own"
	echo "$own" >"$kept.origin"
	loads && grep -qF "$kept" "$TMP/err" && is_own || ret=1
	mv "$kept" "$own" && rm "$kept.origin"
	return "$ret"
}

if [ -n "$own" ]; then
	loader "$rejecting
exec $modprobe \"\$@\""
	check "takes the kernel's own where the key is rejected" takes_own
	check "it is the kernel's own" is_own
	unload
	check "no driver is left" test ! -e /sys/module/ublk_drv
	check "takes it from where DKMS keeps it" takes_kept
	unload
	loader "$rejecting
echo 'modprobe: ERROR: the second reason' >&2
exit 1"
	check "says why neither can be loaded" refuses "nor the kernel's own: modprobe: ERROR: the second reason"
else
	loader "$rejecting"
	check "says that there is no other" refuses "the kernel has none of its own"
fi
echo "$modprobe" >"$LOADER"
check "loads the preferred one again" loads
finish
