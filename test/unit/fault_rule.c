// SPDX-License-Identifier: GPL-2.0
/*
 * ublksrv/targets/fault_rule.h: how fault_parse() reads the text of a rule and
 * which texts it refuses, which requests a rule matches, and how several rules
 * combine.
 */
#include "ktap.h"
#include "fault_rule.h"

#define RD	UBLK_IO_OP_READ
#define WR	UBLK_IO_OP_WRITE
#define FL	UBLK_IO_OP_FLUSH
#define DI	UBLK_IO_OP_DISCARD
#define WZ	UBLK_IO_OP_WRITE_ZEROES

static struct fault_rule rule(const char *text)
{
	struct fault_rule r;
	char bad[FAULT_RULE_MAX];

	ktap_row = text;
	ktap_eq(fault_parse(&r, text, bad), 0);
	return r;
}

static void test_parse(void)
{
	struct fault_rule r;

	r = rule("read:errno=EIO");
	ktap_eq(r.ops, 1 << RD);
	ktap_eq(r.err, -EIO);
	ktap_eq(r.first, 0);
	ktap_eq(r.last, -1);
	r = rule("write+flush:errno=61");
	ktap_eq(r.ops, 1 << WR | 1 << FL);
	ktap_eq(r.err, -ENODATA);
	r = rule("discard+zeroes:delay=5");
	ktap_eq(r.ops, 1 << DI | 1 << WZ);
	ktap_eq(r.delay_min, 5);
	ktap_eq(r.delay_max, 5);
	r = rule("all:delay=5-70,every=3,count=9,percent=12");
	ktap_eq(r.ops, ~0U);
	ktap_eq(r.delay_min, 5);
	ktap_eq(r.delay_max, 70);
	ktap_eq(r.every, 3);
	ktap_eq(r.count, 9);
	ktap_eq(r.percent, 12);
	r = rule("read:short=0,sectors=8-15");
	ktap_true(r.has_short);
	ktap_eq(r.shortened, 0);
	ktap_eq(r.first, 8);
	ktap_eq(r.last, 15);
	ktap_eq(rule("read:short=512,sectors=8").last, 8);
	ktap_eq(rule("write:die=submit,nth=4").nth, 4);
	ktap_eq(rule("write:die=submit").die, FAULT_DIE_SUBMIT);
	ktap_eq(rule("write:die=torn").die, FAULT_DIE_TORN);
	ktap_eq(rule("write:die=done").die, FAULT_DIE_DONE);
	ktap_eq(rule("write:die=commit").die, FAULT_DIE_COMMIT);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *bad;
	} rows[] = {
		{ "", "" }, { "read", "read" }, { ":errno=EIO", "" },
		{ "reed:errno=EIO", "reed" },
		{ "read+:", "read+:" }, { "read:", "read:" },
		{ "read:every=3", "read:every=3" },
		{ "read:errno", "errno" },
		{ "read:errno=EWHAT", "errno=EWHAT" }, { "read:errno=0", "errno=0" },
		{ "read:errno=4096", "errno=4096" }, { "read:errno=-5", "errno=-5" },
		{ "read:delay=", "delay=" }, { "read:delay=1-", "delay=1-" },
		{ "read:delay=7-3", "delay=7-3" }, { "read:delay=5x", "delay=5x" },
		{ "read:delay=3600001", "delay=3600001" },
		{ "read:sectors=9-8,errno=EIO", "sectors=9-8" },
		{ "read:nth=0,errno=EIO", "nth=0" },
		{ "read:every=0,errno=EIO", "every=0" },
		{ "read:percent=0,errno=EIO", "percent=0" },
		{ "read:percent=101,errno=EIO", "percent=101" },
		{ "read:count=0,errno=EIO", "count=0" },
		{ "read:nth=18446744073709551616,errno=EIO",
		  "nth=18446744073709551616" },
		{ "read:die=never", "die=never" }, { "read:die=", "die=" },
		{ "read:colour=7", "colour=7" },
	};
	struct fault_rule r;
	char bad[FAULT_RULE_MAX], many[400];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		ktap_eq(fault_parse(&r, rows[i].text, bad), -EINVAL);
		if (strcmp(bad, rows[i].bad))
			ktap_fail(__FILE__, __LINE__, "blames \"%s\"", bad);
	}
	ktap_row = NULL;
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = 0;
	ktap_eq(fault_parse(&r, many, bad), -EINVAL);
}

/* Returns a mask of the requests, numbered 1 to 12, that the rule matches. */
static unsigned int picks(const char *text)
{
	struct fault_rule r = rule(text);
	unsigned int mask = 0, i;
	__u64 rnd = 1;

	for (i = 1; i <= 12; i++)
		mask |= fault_match(&r, RD, 0, 8, &rnd) << i;
	return mask;
}

static void test_which(void)
{
	ktap_eq(picks("read:errno=EIO"), 0x1ffe);
	ktap_eq(picks("write:errno=EIO"), 0);
	ktap_eq(picks("read:errno=EIO,nth=3"), 1 << 3);
	ktap_eq(picks("read:errno=EIO,every=4"), 1 << 4 | 1 << 8 | 1 << 12);
	ktap_eq(picks("read:errno=EIO,every=4,count=2"), 1 << 4 | 1 << 8);
	ktap_eq(picks("read:errno=EIO,count=1"), 1 << 1);
	ktap_eq(picks("read:errno=EIO,percent=100"), 0x1ffe);
}

static void test_where(void)
{
	static const struct {
		__u64 sector;
		__u32 nr;
		bool hit;
	} rows[] = {
		{ 0, 8, false }, { 0, 9, true }, { 8, 1, true }, { 15, 1, true },
		{ 15, 8, true }, { 16, 8, false }, { 0, 100, true },
		{ 10, 0, false },
	};
	struct fault_rule r = rule("all:errno=EIO,sectors=8-15");
	__u64 rnd = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ktap_eq(fault_match(&r, RD, rows[i].sector, rows[i].nr, &rnd),
			rows[i].hit);
	r = rule("flush:errno=EIO");
	ktap_true(fault_match(&r, FL, ~0ULL, 0, &rnd));
	ktap_true(!fault_match(&r, 32, 0, 8, &rnd));
	/* nth counts only requests with the right operation and sectors */
	r = rule("read:errno=EIO,nth=2,sectors=8-15");
	ktap_true(!fault_match(&r, RD, 0, 8, &rnd));
	ktap_true(!fault_match(&r, WR, 8, 8, &rnd));
	ktap_true(!fault_match(&r, RD, 8, 8, &rnd));
	ktap_true(fault_match(&r, RD, 8, 8, &rnd));
}

static unsigned int percent_hits(__u64 seed)
{
	struct fault_rule r = rule("read:errno=EIO,percent=30");
	unsigned int i, hits = 0;

	for (i = 0; i < 10000; i++)
		hits += fault_match(&r, RD, 0, 8, &seed);
	return hits;
}

static void test_random(void)
{
	struct fault_rule r = rule("read:delay=10-13");
	unsigned int seen = 0, i;
	__u64 rnd = 5;

	ktap_true(percent_hits(1) > 2800 && percent_hits(1) < 3200);
	ktap_eq(percent_hits(1), percent_hits(1));
	ktap_true(percent_hits(1) != percent_hits(2));
	for (i = 0; i < 200; i++) {
		struct fault_plan p = { .limit = 4096 };

		fault_apply(&r, &p, &rnd);
		ktap_true(p.delay_ms >= 10 && p.delay_ms <= 13);
		seen |= 1U << p.delay_ms;
	}
	ktap_eq(seen, 0xf << 10);
}

static void test_apply(void)
{
	struct fault_rule a = rule("all:delay=7,errno=EIO,short=1024"),
			  b = rule("all:delay=3,errno=ENOSPC,short=512,die=done"),
			  c = rule("all:short=2048,die=submit");
	struct fault_plan p = { .limit = 4096 };
	__u64 rnd = 1;

	fault_apply(&c, &p, &rnd);
	ktap_eq(p.limit, 2048);
	ktap_eq(p.delay_ms, 0);
	ktap_eq(p.err, 0);
	ktap_eq(p.die, FAULT_DIE_SUBMIT);
	fault_apply(&b, &p, &rnd);
	fault_apply(&a, &p, &rnd);
	ktap_eq(p.limit, 512);
	ktap_eq(p.delay_ms, 10);
	ktap_eq(p.err, -ENOSPC);
	ktap_eq(p.die, FAULT_DIE_SUBMIT);
}

static const struct ktap_test tests[] = {
	{ "parse", test_parse },
	{ "refused", test_refused },
	{ "which", test_which },
	{ "where", test_where },
	{ "random", test_random },
	{ "apply", test_apply },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
