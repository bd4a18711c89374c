// SPDX-License-Identifier: GPL-2.0
/*
 * A program that uses the installed libublk, compiled by install.sh, as C or C++.
 * OLD_FIRST, OLD_LAST: it includes <linux/ublk_cmd.h> too, an old one.
 */
#include <stdio.h>
#include <string.h>

#ifdef OLD_FIRST
#include <linux/ublk_cmd.h>
#endif
#include <libublk.h>
#ifdef OLD_LAST
#include <linux/ublk_cmd.h>
#endif

#define CANARY	64

static int bad;

static void expect(int ok, const char *what)
{
	if (ok)
		return;
	printf("wrong: %s\n", what);
	bad = 1;
}

static int untouched(const unsigned char *p)
{
	int i;

	for (i = 0; i < CANARY; i++)
		if (p[i] != 0x5a)
			return 0;
	return 1;
}

/* A structure of the caller is never written behind its end. */
static void check_params(void)
{
	struct {
		struct ublk_params p;
		unsigned char behind[CANARY];
	} mine;

	memset(&mine, 0x5a, sizeof(mine));
	ublk_params_init(&mine.p, 65536);
	expect(untouched(mine.behind), "bytes behind the parameters");
	expect(sizeof(mine.p) == 152, "size of the parameters");
	expect(mine.p.len == sizeof(mine.p), "len");
	expect(!ublk_params_set_size(&mine.p, 1 << 20), "size of the disk");
	expect(!ublk_params_check(&mine.p, 65536, 0), ublk_strerror_last());
	mine.p.types |= UBLK_PARAM_TYPE_INTEGRITY;
	mine.p.integrity.csum_type = 0xff;
	expect(ublk_params_check(&mine.p, 65536, UBLK_F_INTEGRITY) < 0,
	       "the part behind the end of the old structure is not read");
}

/* As a program that was built with the libublk.h of an older ABI. */
static void check_shorter(void)
{
	struct {
		__u32 len, types;
		struct ublk_param_basic basic;
		unsigned char behind[CANARY];
	} mine;
	struct ublk_params *p = (struct ublk_params *)(void *)&mine;

	memset(&mine, 0x5a, sizeof(mine));
	ublk_params_init_size(p, offsetof(struct ublk_params, discard), 65536);
	expect(untouched(mine.behind), "bytes behind shorter parameters");
	expect(!ublk_params_set_size(p, 1 << 20), "size of the disk");
	expect(!ublk_params_check(p, 65536, 0), ublk_strerror_last());
	mine.len = 0;
	expect(ublk_params_check(p, 65536, 0) < 0, "parameters without len");
}

int main(void)
{
	struct ublksrv_io_desc desc;
	struct ublk_io io;

	memset(&desc, 0, sizeof(desc));
	desc.op_flags = UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_FUA;
	desc.nr_zones = 1;
	io.desc = &desc;
	expect(ublk_io_op(&io) == UBLK_IO_OP_WRITE_ZEROES, "op");
	expect(ublksrv_get_op(&desc) == UBLK_IO_OP_WRITE_ZEROES, "get_op");
	expect(sizeof(struct ublksrv_ctrl_dev_info) == 64, "size of the info");
	expect(UBLK_F_NEED_GET_DATA == 4, "UBLK_F_NEED_GET_DATA");
	check_params();
	check_shorter();
	return bad;
}
