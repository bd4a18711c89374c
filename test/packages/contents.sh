#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2329 # check() calls most functions
#
# usage: contents.sh DIR
#
# What is in the packages in DIR, without installing them. KTAP.

set -u
# shellcheck source=test/packages/lib.sh
. "$(dirname -- "$0")/lib.sh"

dir=$1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ublk-contents.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=test/checks.sh
. "$TOP_DIR/test/checks.sh"

# The files of a package, one a line, sorted, without what every package has.
files_of() {
	dpkg-deb --fsys-tarfile "$dir/$1"_*.deb | tar -t | sed -n 's/^\.\(.*[^/]\)$/\1/p' |
		grep -v '^/usr/share/\(doc\|lintian\)/' | sort
}

same() {
	diff -u --label expected --label "in the package" "$1" "$2"
}

all_packages() {
	printf '%s\n' libublk-dev libublk0 ublk ublk-dkms ublk-nbd \
		ublk-rbd >"$tmp/expected"
	(cd "$dir" && printf '%s\n' *.deb) | sed 's/_.*//' | sort >"$tmp/found"
	same "$tmp/expected" "$tmp/found"
}

# All tags, of which the overrides explain those that are left.
lintian_is_silent() {
	packages_enter "$("$PACKAGES_DIR/root.sh")" "$dir" /build/deb /bin/sh -c '
		lintian --allow-root --display-info --pedantic ublk_*.dsc *.deb' \
		>"$tmp/lintian" 2>&1 || true
	cat "$tmp/lintian"
	[ ! -s "$tmp/lintian" ]
}

# What the compiler reads for a kernel of today and for the oldest one.
dkms_source() {
	local version

	version=$(dpkg-deb -f "$dir"/ublk-dkms_*.deb Version)
	(
		cd "$TOP_DIR" || exit
		find drivers -type f \( -name '*.[ch]' -o -name Makefile \) ! -name '*.mod.c'
		find compat -type f \( -name '*.h' -o -name 'Kbuild*' \)
		printf '%s\n' Kbuild dkms.conf include/uapi/linux/ublk_cmd.h
	) | sed "s|^|/usr/src/ublk-$version/|" | sort >"$tmp/expected"
	files_of ublk-dkms >"$tmp/found"
	same "$tmp/expected" "$tmp/found"
}

only_conffile() {
	local deb

	for deb in "$dir"/*.deb; do
		dpkg-deb --info "$deb" conffiles 2>/dev/null
	done >"$tmp/found"
	echo /etc/needrestart/conf.d/ublk.conf >"$tmp/expected"
	same "$tmp/expected" "$tmp/found" || return
	dpkg-deb --fsys-tarfile "$dir"/ublk_*.deb | tar -xO ./etc/needrestart/conf.d/ublk.conf |
		perl -e 'our %nrconf = (blacklist => []); local $/; eval <STDIN>; die $@ if $@;
			exit !("/usr/sbin/ublk" =~ $nrconf{blacklist}[0])'
}

# The programs and pages are where make install puts them, the header has its own path.
places() {
	local lib=/usr/lib/x86_64-linux-gnu

	{
		files_of ublk
		files_of ublk-nbd
		files_of ublk-rbd
		files_of libublk0
		files_of libublk-dev
	} >"$tmp/found"
	{
		printf '/usr/lib/udev/rules.d/%s\n' 59-ublk-held.rules 60-ublk.rules \
			98-ublk-held.rules
		printf '/usr/lib/systemd/%s\n' system-generators/ublk-generator \
			system/ublk@.service system/ublk-ready@.service \
			system/ublk-mounts@.service system/ublk-shutdown.service \
			system/run-ublk.mount \
			system/{halt,kexec,poweroff,reboot}.target.wants/ublk-shutdown.service
		printf '/usr/lib/ublk/ublk-target-%s.so\n' image nbd nbdkit rbd
		printf '%s\n' /usr/sbin/ublk \
			/usr/share/bash-completion/completions/ublk \
			/usr/share/zsh/site-functions/_ublk \
			/usr/share/fish/vendor_completions.d/ublk.fish \
			/usr/share/ublk/ublk.schema.json /usr/share/man/man1/ublk.1.gz \
			/usr/share/man/man3/libublk.3.gz /etc/needrestart/conf.d/ublk.conf \
			"$lib/libublk.so.0" "$lib/libublk.so" "$lib/libublk.a" \
			"$lib/pkgconfig/libublk.pc" /usr/include/libublk.h \
			/usr/include/ublk/ublk_cmd.h
		(cd "$TOP_DIR/ublksrv/man" && printf '/usr/share/man/man5/%s.gz\n' *.5.rst &&
			printf '/usr/share/man/man7/%s.gz\n' *.7.rst) | sed 's/\.rst//'
		printf '%s\n' "$lib/libublk.so.$(sed -n 's/^.define UBLK_VERSION[[:space:]]*"\(.*\)"/\1/p' \
			"$TOP_DIR/ublksrv/include/libublk.h")"
	} >"$tmp/expected"
	sort -o "$tmp/expected" "$tmp/expected"
	sort -o "$tmp/found" "$tmp/found"
	same "$tmp/expected" "$tmp/found"
}

# Paths in files: of the program in rules and units, of the libraries in the .pc file.
paths_in_files() {
	dpkg-deb --fsys-tarfile "$dir"/ublk_*.deb |
		tar -xO --wildcards './usr/lib/udev/rules.d/*' './usr/lib/systemd/system/ublk*' >"$tmp/rule"
	if grep /usr/local "$tmp/rule" || ! grep -q 'PROGRAM=="*/usr/sbin/ublk ' "$tmp/rule" ||
		! grep -q 'ExecStart=@/usr/sbin/ublk ' "$tmp/rule"; then
		grep sbin "$tmp/rule"
		return 1
	fi
	dpkg-deb --fsys-tarfile "$dir"/libublk-dev_*.deb |
		tar -xO --wildcards './usr/lib/*/pkgconfig/libublk.pc' >"$tmp/pc"
	grep -x 'prefix=/usr' "$tmp/pc" && grep -x "libdir=\${prefix}/lib/x86_64-linux-gnu" "$tmp/pc"
}

# Every function of libublk.map has the version of the library's symbols file.
symbols() {
	dpkg-deb --info "$dir"/libublk0_*.deb symbols |
		sed -n 's/^ \(ublk_[a-z0-9_]*\)@LIBUBLK_[0-9.]* [0-9.]*$/\1/p' | sort >"$tmp/found"
	sed -n 's/^\t\t\(ublk_[a-z0-9_]*\);$/\1/p' "$TOP_DIR/ublksrv/lib/libublk.map" |
		sort >"$tmp/expected"
	same "$tmp/expected" "$tmp/found"
}

# The programs that libublk(3) names.
examples() {
	dpkg-deb --fsys-tarfile "$dir"/libublk-dev_*.deb |
		tar -t | sed -n 's|^\./usr/share/doc/libublk-dev/examples/\(.*\.c\)\(\.gz\)\?$|\1|p' |
		sort >"$tmp/found"
	(cd "$TOP_DIR/ublksrv/examples" && printf '%s\n' *.c) | sort >"$tmp/expected"
	same "$tmp/expected" "$tmp/found"
}

relations() {
	local found

	found=$(dpkg-deb -f "$dir"/ublk_*.deb Suggests)
	[ "$found" = "ublk-dkms, ublk-nbd, ublk-rbd" ] || { echo "ublk suggests \"$found\""; return 1; }
	! dpkg-deb -f "$dir"/ublk_*.deb Depends Recommends | grep 'dkms\|nbd\|rbd'
}

echo "KTAP version 1"
check "the six packages" all_packages
check "lintian has nothing to say that is not explained" lintian_is_silent
check "the source for DKMS is what Kbuild reads, and nothing else" dkms_source
check "the only configuration file is that of needrestart, and it is Perl" only_conffile
check "every file is where it should be" places
check "paths in files" paths_in_files
check "symbols of the library" symbols
check "the examples of the library" examples
check "ublk suggests ublk-dkms, ublk-nbd and ublk-rbd, and needs none" relations
checks_end
