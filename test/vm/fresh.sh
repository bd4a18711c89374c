#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check-fresh: do "make demo", "make check" and "make check-debug" each work
# on a machine that has run none of them? Each gets an empty cache of its own, which
# is removed afterwards. Exit status 1 if one of them failed.

set -u
# shellcheck source=test/vm/lib.sh
. "$(dirname -- "$0")/lib.sh"

cache=$(mktemp -d "${TMPDIR:-/var/tmp}/ublk-fresh.XXXXXX") || exit 1
# What root has made in it only root can remove.
trap 'vm_as_root rm -rf "$cache"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
failed=0
summary=
for target in demo check check-debug; do
	printf '\n==> make %s, with an empty cache\n' "$target"
	started=$(date +%s)
	mkdir "$cache/$target"
	if XDG_CACHE_HOME=$cache/$target make -C "$TOP_DIR" "$target"; then
		verdict=works
	else
		verdict=FAILED
		failed=1
	fi
	vm_as_root rm -rf "${cache:?}/$target"
	summary+="make $target: $verdict, $(($(date +%s) - started)) s"$'\n'
done
printf '\n%s' "$summary"
exit "$failed"
