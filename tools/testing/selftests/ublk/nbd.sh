# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# For the tests of targets that connect to a server of NBD: start and end nbdkit.
# Sourced after lib.sh.

# Skip the whole test unless the target was compiled.
nbd_require() {
	target_require "$1" libnbd
	defer end_server
}

# unix_server WORD...: nbdkit on the socket $TMP/sock
unix_server() {
	rm -f "$TMP/sock"
	nbdkit -P "$TMP/server.pid" -U "$TMP/sock" "$@"
}

# tcp_server WORD...: nbdkit on a port of this machine, which goes to PORT
tcp_server() {
	for PORT in 10841 10842 10843 10844; do
		nbdkit -P "$TMP/server.pid" -i 127.0.0.1 -p "$PORT" "$@" && return
	done
}

# end_server [SIGNAL]
end_server() {
	local pid

	{ read -r pid <"$TMP/server.pid"; } 2>/dev/null || return 0
	kill "-${1:-TERM}" "$pid"
	busywait 10000 ended "$pid"
	rm -f "$TMP/server.pid"
}
