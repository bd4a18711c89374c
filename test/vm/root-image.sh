# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# How a guest's root becomes a disk image. Sourced by root.sh, whose key has this file,
# and by net-root.sh.

# make_image DIRECTORY MIB: $tmp/root.img, with so much space beside what is there
make_image() {
	local mb

	mb=$(($(du -sm "$1" | cut -f1) * 5 / 4 + $2))
	truncate -s "${mb}M" "$tmp/root.img"
	PATH="$PATH:/usr/sbin:/sbin" mke2fs -q -t ext4 -F -m 0 -L ublk-guest \
		-O ^has_journal,^metadata_csum,uninit_bg -E lazy_itable_init=1,root_owner=0:0 \
		-d "$1" "$tmp/root.img" >&2
}
