// SPDX-License-Identifier: GPL-2.0
/*
 * ublksrv/targets/zone.h. The test visits every state of small disks, tries
 * every operation in each state, and compares the result with a second
 * statement of the rules: a table of conditions for one zone, and the effect
 * of the limits on the others.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "ktap.h"
#include "zone.h"

#define NR	3		/* zones, the first may be conventional */
#define SIZE	8U
#define CAP	3U

#define E	BLK_ZONE_COND_EMPTY
#define I	BLK_ZONE_COND_IMP_OPEN
#define X	BLK_ZONE_COND_EXP_OPEN
#define C	BLK_ZONE_COND_CLOSED
#define F	BLK_ZONE_COND_FULL
#define R	BLK_ZONE_COND_READONLY
#define N	BLK_ZONE_COND_NOT_WP

enum act { WRITE, APPEND, OPEN, CLOSE, FINISH, RESET, NR_OPS };

static const char * const op_names[] = {
	"write", "append", "open", "close", "finish", "reset",
};

struct disk {
	struct zone_set s;
	struct zone z[NR];
};

static void disk_fix(struct disk *d)
{
	d->s.zones = d->z;
}

static struct disk disk_new(__u32 nr_conv, __u32 max_open, __u32 max_active)
{
	struct disk d = {
		.s = {
			.size = SIZE, .capacity = CAP, .nr = NR,
			.nr_conv = nr_conv, .max_open = max_open,
			.max_active = max_active,
		},
	};
	__u32 i;

	disk_fix(&d);
	for (i = 0; i < NR; i++)
		zone_restore(&d.s, i, 0);
	return d;
}

static int run(struct disk *d, enum act op, __u32 i, __u32 off, __u32 len)
{
	__u64 start = zone_start(&d->s, i), lba = 0;
	int ret;

	disk_fix(d);
	switch (op) {
	case WRITE:
		return zone_write(&d->s, start + off, len);
	case APPEND:
		ret = zone_append(&d->s, start + off, len, &lba);
		/* it returns the old write pointer */
		if (!ret)
			ktap_eq(lba + len, start + d->z[i].wp);
		return ret;
	default:
		break;
	}
	ret = zone_check_command(&d->s, start + off);
	if (ret)
		return ret;
	switch (op) {
	case OPEN:
		return zone_open(&d->s, i);
	case CLOSE:
		return zone_close(&d->s, i);
	case FINISH:
		return zone_finish(&d->s, i);
	default:
		return zone_reset(&d->s, i);
	}
}

/* One zone without limits. Return: errno, or 0 and its new state. */
static int rule(const struct disk *d, enum act op, __u32 i, __u32 off,
		__u32 len, __u8 *cond, __u64 *wp)
{
	/* next condition by operation and condition; 0: error */
	static const __u8 next[NR_OPS][16] = {
		[WRITE]  = { [E] = I, [I] = I, [X] = X, [C] = I },
		[APPEND] = { [E] = I, [I] = I, [X] = X, [C] = I },
		[OPEN]   = { [E] = X, [I] = X, [X] = X, [C] = X },
		[CLOSE]  = { [I] = C, [X] = C, [C] = C },
		[FINISH] = { [E] = F, [I] = F, [X] = F, [C] = F, [F] = F },
		[RESET]  = { [E] = E, [I] = E, [X] = E, [C] = E, [F] = E },
	};
	const struct zone *z = &d->z[i];

	*cond = z->cond;
	*wp = z->wp;
	if (z->cond == N)
		return op == WRITE && off + len <= SIZE ? 0 : -EIO;
	if (off && op != WRITE)
		return -EIO;
	if (!next[op][z->cond])
		return -EIO;
	*cond = next[op][z->cond];
	if (op == WRITE && off != z->wp)
		return -EIO;
	if (op <= APPEND) {
		*wp += len;
		if (!len || *wp > CAP)
			return -EIO;
		if (*wp == CAP)
			*cond = F;
	}
	if (op == CLOSE && !z->wp)
		*cond = E;
	if (op == FINISH)
		*wp = CAP;
	if (op == RESET)
		*wp = 0;
	return 0;
}

static __u32 count(const struct disk *d, __u8 a, __u8 b)
{
	__u32 i, nr = 0;

	for (i = 0; i < NR; i++)
		nr += d->z[i].cond == a || d->z[i].cond == b;
	return nr;
}

static void judge_counts(const struct disk *d)
{
	ktap_eq(d->s.nr_implicit, count(d, I, I));
	ktap_eq(d->s.nr_explicit, count(d, X, X));
	ktap_eq(d->s.nr_closed, count(d, C, C));
	if (d->s.max_open)
		ktap_true(count(d, I, X) <= d->s.max_open);
	if (d->s.max_active)
		ktap_true(count(d, I, X) + count(d, C, C) <= d->s.max_active);
}

/* Return: what the operation should have returned, with the limits. */
static int expect(const struct disk *d, enum act op, __u32 i, __u32 off,
		  __u32 len, bool *closes)
{
	__u8 was = d->z[i].cond, cond;
	__u64 wp;
	int ret = rule(d, op, i, off, len, &cond, &wp);

	*closes = false;
	if (ret || op > OPEN || was == N || was == I || was == X)
		return ret;
	if (was == E && d->s.max_active &&
	    count(d, I, X) + count(d, C, C) >= d->s.max_active)
		return -EOVERFLOW;
	if (d->s.max_open && count(d, I, X) >= d->s.max_open) {
		if (!count(d, I, I))
			return -ETOOMANYREFS;
		*closes = true;
	}
	return 0;
}

static void judge(const struct disk *was, const struct disk *is, enum act op,
		  __u32 i, __u32 off, __u32 len, int ret)
{
	__u32 k, closed = 0;
	__u8 cond;
	__u64 wp;
	bool closes;
	int want = expect(was, op, i, off, len, &closes);

	ktap_eq(ret, want);
	rule(was, op, i, off, len, &cond, &wp);
	for (k = 0; k < NR; k++) {
		const struct zone *a = &was->z[k], *b = &is->z[k];

		if (k == i && !want) {
			ktap_eq(b->cond, cond);
			ktap_eq(b->wp, wp);
		} else if (k != i && a->cond == I && b->cond == C) {
			closed++;
			ktap_eq(b->wp, a->wp);
		} else {
			ktap_eq(b->cond, a->cond);
			ktap_eq(b->wp, a->wp);
		}
	}
	ktap_eq(closed, !want && closes);
	judge_counts(is);
}

#define MAX_STATES	20000

static struct disk *states;
static unsigned int nr_states;
/* Index: the hint, and the condition and write pointer of each zone. */
static bool seen[NR * 64 * 64 * 64];

static void visit(const struct disk *d)
{
	unsigned int key = d->s.hint;
	__u32 k;

	for (k = 0; k < NR; k++)
		key = key * 64 + d->z[k].cond * 4 + d->z[k].wp;
	if (seen[key])
		return;
	seen[key] = true;
	if (nr_states < MAX_STATES)
		states[nr_states++] = *d;
	else
		ktap_fail(__FILE__, __LINE__, "more states than expected");
}

static void try_all(unsigned int from)
{
	__u32 i, off, len;
	enum act op;

	for (op = WRITE; op < NR_OPS; op++)
		for (i = 0; i < NR; i++)
			for (off = 0; off < SIZE; off++)
				for (len = 0; len <= SIZE; len++) {
					struct disk d = states[from];
					int ret;

					if (op > APPEND && len)
						continue;
					ktap_row = op_names[op];
					ret = run(&d, op, i, off, len);
					judge(&states[from], &d, op, i, off,
					      len, ret);
					visit(&d);
				}
}

/* Return: number of states */
static unsigned int explore(struct disk first)
{
	unsigned int i;

	nr_states = 0;
	memset(seen, 0, sizeof(seen));
	visit(&first);
	for (i = 0; i < nr_states && !ktap_failed; i++)
		try_all(i);
	return nr_states;
}

static void test_every_state(void)
{
	__u32 conv, open, active;

	states = calloc(MAX_STATES, sizeof(*states));
	for (conv = 0; conv <= 1; conv++)
		for (open = 0; open <= NR; open++)
			for (active = 0; active <= NR; active++) {
				if (active && open > active)
					continue;
				explore(disk_new(conv, open, active));
			}
	/*
	 * Without limits a zone is in one of nine states (empty; open by a
	 * write, or closed, with 1 or 2 sectors; open by command with 0 to 2;
	 * full) and the hint does not change. The search must reach all of them.
	 */
	ktap_eq(explore(disk_new(0, 0, 0)), 9 * 9 * 9);
	ktap_eq(explore(disk_new(1, 0, 0)), 9 * 9);
	free(states);
}

static void test_readonly(void)
{
	struct disk d = disk_new(0, 0, 0), was;
	__u32 off, len;
	enum act op;

	disk_fix(&d);
	memset(&d.z[1], 0, sizeof(d.z[1]));
	zone_restore(&d.s, 1, UINT64_MAX);
	ktap_eq(d.z[1].cond, R);
	was = d;
	for (op = WRITE; op < NR_OPS; op++)
		for (off = 0; off < SIZE; off++)
			for (len = 0; len <= SIZE; len++) {
				ktap_eq(run(&d, op, 1, off, len), -EIO);
				judge(&was, &d, op, 1, off, len, -EIO);
			}
}

static void test_restore(void)
{
	static const struct {
		__u64 wp;
		__u8 cond;
	} rows[] = {
		{ 0, E }, { 1, C }, { CAP - 1, C }, { CAP, F },
		{ CAP + 1, R }, { SIZE, R }, { UINT64_MAX, R },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct disk d = { .s = { .size = SIZE, .capacity = CAP,
					 .nr = NR } };

		disk_fix(&d);
		zone_restore(&d.s, 0, rows[i].wp);
		ktap_eq(d.z[0].cond, rows[i].cond);
		ktap_eq(d.s.nr_closed, rows[i].cond == C);
		ktap_true(d.z[0].wp <= CAP);
	}
}

/* The zones to close alternate: no zone is closed and opened each time. */
static void test_closes_in_turn(void)
{
	struct disk d = disk_new(0, 2, 0);

	disk_fix(&d);
	ktap_eq(run(&d, WRITE, 0, 0, 1), 0);
	ktap_eq(run(&d, WRITE, 1, 0, 1), 0);
	ktap_eq(run(&d, WRITE, 2, 0, 1), 0);
	ktap_eq(d.z[0].cond, C);
	ktap_eq(run(&d, WRITE, 0, 1, 1), 0);
	ktap_eq(d.z[1].cond, C);
	ktap_eq(run(&d, WRITE, 1, 1, 1), 0);
	ktap_eq(d.z[2].cond, C);
}

static void test_beyond_the_end(void)
{
	struct disk d = disk_new(1, 0, 0);
	__u64 lba;

	disk_fix(&d);
	ktap_eq(zone_write(&d.s, NR * SIZE, 1), -EIO);
	ktap_eq(zone_append(&d.s, NR * SIZE, 1, &lba), -EIO);
	ktap_eq(zone_check_command(&d.s, NR * SIZE), -EIO);
	ktap_eq(zone_check_command(&d.s, UINT64_MAX & ~7ULL), -EIO);
	/* a conventional zone takes a write anywhere, but not across its end */
	ktap_eq(zone_write(&d.s, SIZE - 1, 1), 0);
	ktap_eq(zone_write(&d.s, SIZE - 1, 2), -EIO);
	ktap_eq(zone_write(&d.s, 1, UINT64_MAX), -EIO);
	ktap_eq(zone_write(&d.s, SIZE, UINT64_MAX), -EIO);
}

static void test_report(void)
{
	static const struct {
		__u8 cond;
		__u64 wp, want;
	} rows[] = {
		{ E, 0, SIZE }, { I, 1, SIZE + 1 }, { X, 0, SIZE },
		{ X, 2, SIZE + 2 }, { C, 1, SIZE + 1 }, { F, CAP, 2 * SIZE },
		{ R, CAP, UINT64_MAX },
	};
	struct disk d = disk_new(1, 0, 0);
	struct blk_zone z;
	size_t i;

	disk_fix(&d);
	memset(&z, 0xff, sizeof(z));
	zone_report(&d.s, 0, &z);
	ktap_eq(z.start, 0);
	ktap_eq(z.len, SIZE);
	ktap_eq(z.capacity, SIZE);
	ktap_eq(z.type, BLK_ZONE_TYPE_CONVENTIONAL);
	ktap_eq(z.cond, BLK_ZONE_COND_NOT_WP);
	ktap_eq(z.non_seq | z.reset | z.reserved[23], 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		d.z[1].cond = rows[i].cond;
		d.z[1].wp = rows[i].wp;
		zone_report(&d.s, 1, &z);
		ktap_eq(z.start, SIZE);
		ktap_eq(z.len, SIZE);
		ktap_eq(z.capacity, CAP);
		ktap_eq(z.type, BLK_ZONE_TYPE_SEQWRITE_REQ);
		ktap_eq(z.cond, rows[i].cond);
		ktap_eq(z.wp, rows[i].want);
	}
}

static const struct ktap_test tests[] = {
	{ "every_state", test_every_state },
	{ "readonly", test_readonly },
	{ "restore", test_restore },
	{ "closes_in_turn", test_closes_in_turn },
	{ "beyond_the_end", test_beyond_the_end },
	{ "report", test_report },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
