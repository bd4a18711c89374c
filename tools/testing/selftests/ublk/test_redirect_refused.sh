#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The driver refuses to redirect: its target names a file that is not registered. The
# daemon serves each request instead, and "ublk stat" counts it once, with its error.
#
# covers: E-31
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require feature:REDIRECT cc
export UBLK_TARGET_DIR=$TMP

cat >"$TMP/astray.c" <<'EOF'
#include <errno.h>
#include <string.h>
#include <libublk.h>

static int astray_open(struct ublk_dev *dev, void *cfg)
{
	(void)cfg;
	ublk_dev_want_redirect(dev);
	return ublk_params_set_size(ublk_dev_params(dev), 16 << 20);
}

static bool astray_place(struct ublk_queue *q, const struct ublk_io *io,
			 struct ublk_place *place)
{
	(void)q;
	*place = (struct ublk_place){ .file = 7, .pos = io->desc->start_sector << 9 };
	return true;
}

/* The second half of the disk is broken. */
static void astray_submit(struct ublk_queue *q, struct ublk_io *io)
{
	unsigned int bytes = io->desc->nr_sectors << 9;

	(void)q;
	if (ublk_io_op(io) == UBLK_IO_OP_READ)
		memset(io->buf, 'a', bytes);
	ublk_io_complete(io, io->desc->start_sector < 16384 ? (int)bytes : -EIO);
}

static const struct ublk_target astray = {
	UBLK_TARGET(),
	.name = "astray",
	.summary = "requests that go nowhere",
	.open = astray_open,
	.submit = astray_submit,
	.place = astray_place,
};

static const struct ublk_target *const astray_all[] = { &astray, NULL };

const struct ublk_module ublk_module = {
	.version = UBLK_VERSION,
	.targets = astray_all,
};
EOF
check "it compiles" compile_target astray "$TMP/astray.c"

# counted REQUESTS ERRORS: since the device was added
counted() {
	"$UBLK" stat "$DEV" --json >"$TMP/stat" || return
	tr -d '\n' <"$TMP/stat" >"$TMP/line"
	grep -q "\"write\": *{[^}]*\"requests\": *$1,[^}]*\"errors\": *$2\b" "$TMP/line" &&
		return
	cat "$TMP/stat"
	return 1
}

for args in "" "--batch-io"; do
	# shellcheck disable=SC2086 # words
	try_add -t astray $args || { skip "astray $args" "not with this driver"; continue; }
	check "astray $args: mode" mode_has redirect
	check "astray $args: writes" dd if=/dev/zero of="$BDEV" bs=4k count=100 oflag=direct \
		status=none
	check "astray $args: each is counted once" counted 100 0
	check "astray $args: reads are the daemon's" cmp -n 65536 "$BDEV" \
		<(head -c 65536 /dev/zero | tr '\0' a)
	check "astray $args: an error" not dd if=/dev/zero of="$BDEV" bs=4k count=1 \
		seek=3000 oflag=direct status=none
	check "astray $args: is counted" counted 101 1
	check "astray $args: del" del_dev
done
finish
