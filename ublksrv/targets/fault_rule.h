/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Rules of the target fault: which faults, for which requests.
 *
 *	OP[+OP...]:KEY=VALUE[,KEY=VALUE...]
 *
 * OP is read, write, flush, discard, zeroes or all. Keys that select requests:
 *
 *	sectors=A-B	only requests that touch one of these sectors
 *	nth=N		only the Nth of the rest, from 1
 *	every=N		every Nth of the rest
 *	percent=N	each with this probability
 *	count=N		not more than N in all
 *
 * and keys for what happens to them, one or more:
 *
 *	delay=MS, delay=MS-MS	wait that long, or a random time between
 *	errno=NAME|NUMBER	fail, without touching the data
 *	short=BYTES		transfer only so much, and return that
 *	die=POINT		the daemon kills itself, see enum fault_die
 *
 * This file parses and matches; fault.c has the effects and the lock for the
 * counters. Tested by test/unit/fault_rule.c.
 */
#ifndef UBLK_FAULT_RULE_H
#define UBLK_FAULT_RULE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>
#include <linux/ublk_cmd.h>

/**
 * enum fault_die - when the daemon kills itself
 * @FAULT_LIVE: never
 * @FAULT_DIE_SUBMIT: the request has arrived, nothing is done
 * @FAULT_DIE_TORN: the first half of its sectors is transferred
 * @FAULT_DIE_DONE: all is transferred, but not committed
 * @FAULT_DIE_COMMIT: some milliseconds after the commit
 */
enum fault_die {
	FAULT_LIVE,
	FAULT_DIE_SUBMIT,
	FAULT_DIE_TORN,
	FAULT_DIE_DONE,
	FAULT_DIE_COMMIT,
};

/**
 * struct fault_rule - a rule, as parsed
 * @ops: mask of 1 << UBLK_IO_OP_*
 * @first: first sector
 * @last: last sector; all ones when the rule is about any
 * @nth: 0 when not given, as the following ones
 * @every: see above
 * @percent: see above
 * @count: see above
 * @delay_min: milliseconds
 * @delay_max: milliseconds
 * @err: negative errno
 * @has_short: @shortened is given
 * @shortened: bytes
 * @die: when
 * @seen: requests so far whose operation and sectors match
 * @hits: requests so far that the rule was applied to
 */
struct fault_rule {
	__u32 ops;
	__u64 first, last;
	__u64 nth, every, percent, count;
	__u64 delay_min, delay_max;
	int err;
	bool has_short;
	__u64 shortened;
	enum fault_die die;

	__u64 seen, hits;
};

/**
 * struct fault_plan - what happens to a request
 * @delay_ms: wait first
 * @err: negative errno instead of the transfer, or 0
 * @limit: bytes to transfer at most
 * @die: when to die
 */
struct fault_plan {
	__u64 delay_ms;
	int err;
	__u64 limit;
	enum fault_die die;
};

/* Bytes of a rule's text with its end. */
#define FAULT_RULE_MAX	256

/* splitmix64: every seed has its own sequence, always the same. */
static inline __u64 fault_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static inline int fault_parse_number(const char *text, __u64 *val,
				     const char **end)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*val = strtoull(text, &stop, 10);
	*end = stop;
	return errno ? -EINVAL : 0;
}

/* "A" or "A-B" with A <= B */
static inline int fault_parse_range(const char *text, __u64 *first, __u64 *last)
{
	const char *end;

	if (fault_parse_number(text, first, &end))
		return -EINVAL;
	*last = *first;
	if (*end == '-' && fault_parse_number(end + 1, last, &end))
		return -EINVAL;
	return *end || *last < *first ? -EINVAL : 0;
}

static inline int fault_parse_errno(const char *text, int *err)
{
	static const struct {
		const char *name;
		int err;
	} names[] = {
		{ .name = "EIO", .err = EIO },
		{ .name = "ENOSPC", .err = ENOSPC },
		{ .name = "EOPNOTSUPP", .err = EOPNOTSUPP },
		{ .name = "ETIMEDOUT", .err = ETIMEDOUT },
		{ .name = "ENOLINK", .err = ENOLINK },
		{ .name = "EREMOTEIO", .err = EREMOTEIO },
		{ .name = "EBADE", .err = EBADE },
		{ .name = "ENODATA", .err = ENODATA },
		{ .name = "EILSEQ", .err = EILSEQ },
		{ .name = "ENOMEM", .err = ENOMEM },
		{ .name = "EBUSY", .err = EBUSY },
		{ .name = "EAGAIN", .err = EAGAIN },
		{ .name = "ENODEV", .err = ENODEV },
		{ .name = "ETOOMANYREFS", .err = ETOOMANYREFS },
		{ .name = "EOVERFLOW", .err = EOVERFLOW },
		{ .name = "ETIME", .err = ETIME },
		{ .name = "EINVAL", .err = EINVAL },
	};
	const char *end;
	__u64 val;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i].name)) {
			*err = -names[i].err;
			return 0;
		}
	if (fault_parse_number(text, &val, &end) || *end || !val || val > 4095)
		return -EINVAL;
	*err = -(int)val;
	return 0;
}

static inline int fault_parse_die(const char *text, enum fault_die *die)
{
	static const char * const points[] = {
		[FAULT_DIE_SUBMIT] = "submit", [FAULT_DIE_TORN] = "torn",
		[FAULT_DIE_DONE] = "done", [FAULT_DIE_COMMIT] = "commit",
	};
	unsigned int i;

	for (i = FAULT_DIE_SUBMIT; i <= FAULT_DIE_COMMIT; i++)
		if (!strcmp(text, points[i])) {
			*die = i;
			return 0;
		}
	return -EINVAL;
}

/* @val: what follows the '=' */
static inline int fault_parse_key(struct fault_rule *r, const char *key,
				  const char *val)
{
	const struct {
		const char *name;
		__u64 *at;
		__u64 min, max;
	} numbers[] = {
		{ .name = "nth", .at = &r->nth, .min = 1, .max = ~0ULL },
		{ .name = "every", .at = &r->every, .min = 1, .max = ~0ULL },
		{ .name = "percent", .at = &r->percent, .min = 1, .max = 100 },
		{ .name = "count", .at = &r->count, .min = 1, .max = ~0ULL },
		{ .name = "short", .at = &r->shortened, .max = 1ULL << 32 },
	};
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(key, numbers[i].name))
			continue;
		if (numbers[i].at == &r->shortened)
			r->has_short = true;
		return fault_parse_number(val, numbers[i].at, &end) || *end ||
			*numbers[i].at < numbers[i].min ||
			*numbers[i].at > numbers[i].max ? -EINVAL : 0;
	}
	if (!strcmp(key, "sectors"))
		return fault_parse_range(val, &r->first, &r->last);
	if (!strcmp(key, "delay"))
		return fault_parse_range(val, &r->delay_min, &r->delay_max) ||
			r->delay_max > 3600000 ? -EINVAL : 0;
	if (!strcmp(key, "errno"))
		return fault_parse_errno(val, &r->err);
	if (!strcmp(key, "die"))
		return fault_parse_die(val, &r->die);
	return -EINVAL;
}

static inline int fault_parse_ops(struct fault_rule *r, char *text)
{
	static const struct {
		const char *name;
		__u32 ops;
	} names[] = {
		{ .name = "read", .ops = 1U << UBLK_IO_OP_READ },
		{ .name = "write", .ops = 1U << UBLK_IO_OP_WRITE },
		{ .name = "flush", .ops = 1U << UBLK_IO_OP_FLUSH },
		{ .name = "discard", .ops = 1U << UBLK_IO_OP_DISCARD },
		{ .name = "zeroes", .ops = 1U << UBLK_IO_OP_WRITE_ZEROES },
		{ .name = "all", .ops = ~0U },
	};
	char *save, *word;
	size_t i;

	for (word = strtok_r(text, "+", &save); word;
	     word = strtok_r(NULL, "+", &save)) {
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strcmp(word, names[i].name))
				break;
		if (i == sizeof(names) / sizeof(names[0]))
			return -EINVAL;
		r->ops |= names[i].ops;
	}
	return r->ops ? 0 : -EINVAL;
}

/**
 * fault_parse - a rule from its text
 * @r: filled
 * @text: the text
 * @bad: receives the word that is wrong
 *
 * Return: 0, or -EINVAL
 */
static inline int fault_parse(struct fault_rule *r, const char *text,
			      char bad[FAULT_RULE_MAX])
{
	char copy[FAULT_RULE_MAX], *keys, *word, *val, *save;

	memset(r, 0, sizeof(*r));
	r->last = ~0ULL;
	snprintf(bad, FAULT_RULE_MAX, "%s", text);
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	keys = strchr(copy, ':');
	if (!keys)
		return -EINVAL;
	*keys++ = 0;
	snprintf(bad, FAULT_RULE_MAX, "%s", copy);
	if (fault_parse_ops(r, copy))
		return -EINVAL;
	for (word = strtok_r(keys, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		snprintf(bad, FAULT_RULE_MAX, "%s", word);
		val = strchr(word, '=');
		if (!val)
			return -EINVAL;
		*val++ = 0;
		if (fault_parse_key(r, word, val))
			return -EINVAL;
	}
	/* a rule without any effect is a mistake */
	snprintf(bad, FAULT_RULE_MAX, "%s", text);
	return r->delay_max || r->err || r->has_short || r->die ? 0 : -EINVAL;
}

/**
 * fault_match - does a rule apply to this request; counts it
 * @r: rule
 * @op: UBLK_IO_OP_*
 * @sector: first sector
 * @nr: sectors; 0 for a flush
 * @rnd: state of fault_random()
 *
 * Return: true if it does
 */
static inline bool fault_match(struct fault_rule *r, unsigned int op,
			       __u64 sector, __u32 nr, __u64 *rnd)
{
	bool anywhere = r->first == 0 && r->last == ~0ULL;

	if (op > 31 || !(r->ops & 1U << op))
		return false;
	if (!anywhere && (!nr || sector > r->last || sector + nr <= r->first))
		return false;
	r->seen++;
	if ((r->nth && r->seen != r->nth) || (r->every && r->seen % r->every) ||
	    (r->percent && fault_random(rnd) % 100 >= r->percent) ||
	    (r->count && r->hits >= r->count))
		return false;
	r->hits++;
	return true;
}

/**
 * fault_apply - add the effects of a rule that matched
 * @r: rule
 * @p: plan; @limit is the length of the request at first
 * @rnd: state of fault_random()
 */
static inline void fault_apply(const struct fault_rule *r, struct fault_plan *p,
			       __u64 *rnd)
{
	p->delay_ms += r->delay_min;
	if (r->delay_max > r->delay_min)
		p->delay_ms += fault_random(rnd) %
			(r->delay_max - r->delay_min + 1);
	if (!p->err)
		p->err = r->err;
	if (r->has_short && p->limit > r->shortened)
		p->limit = r->shortened;
	if (!p->die)
		p->die = r->die;
}

#endif
