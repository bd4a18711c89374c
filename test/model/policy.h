/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The main program of a model that is searched once for each recovery policy,
 * and of its self-test: wrong variants of the driver, numbered from 1, have to be
 * found, or the search is worth nothing.
 *
 * Included once per model program.
 */
#ifndef UBLK_TEST_POLICY_H
#define UBLK_TEST_POLICY_H

#include "ktap.h"
#include "search.h"
#include "logic/device.h"

/* What the model's steps look at: 0, or the variant; and the policy. */
static int broken;
static enum ublk_policy policy;

static struct {
	const struct search *model;
	const void *start;
	int nr_breaks;
} policy_args;

static const char *policy_run(bool quiet)
{
	struct search s = *policy_args.model;
	const char *why = search_run(&s, policy_args.start, quiet);

	if (!quiet)
		printf("# policy %u: %u states, %u edges\n", policy,
		       s.nr_states, s.nr_edges);
	return why;
}

static const char *policy_run_all(bool quiet)
{
	const char *why = NULL;

	for (policy = 0; policy < UBLK_POLICY_NR && !why; policy++)
		why = policy_run(quiet);
	return why;
}

static void policy_test(enum ublk_policy p)
{
	broken = 0;
	policy = p;
	ktap_true(!policy_run(false));
}

static void policy_test_stop(void)
{
	policy_test(UBLK_POLICY_STOP);
}

static void policy_test_hold(void)
{
	policy_test(UBLK_POLICY_HOLD);
}

static void policy_test_reissue(void)
{
	policy_test(UBLK_POLICY_REISSUE);
}

static void policy_test_fail(void)
{
	policy_test(UBLK_POLICY_FAIL);
}

static void policy_test_finds_mistakes(void)
{
	for (broken = 1; broken < policy_args.nr_breaks; broken++) {
		const char *why = policy_run_all(true);

		printf("# variant %d: %s\n", broken, why ? why : "not found");
		ktap_true(why);
	}
	broken = 0;
}

/* Variants are 1 to @nr_breaks - 1; "--break=N" shows what is wrong with N. */
static int policy_main(int argc, char **argv, const struct search *model,
		       const void *start, int nr_breaks)
{
	static const struct ktap_test tests[] = {
		{ "policy_stop", policy_test_stop },
		{ "policy_hold", policy_test_hold },
		{ "policy_reissue", policy_test_reissue },
		{ "policy_fail", policy_test_fail },
		{ "finds_mistakes", policy_test_finds_mistakes },
	};

	policy_args.model = model;
	policy_args.start = start;
	policy_args.nr_breaks = nr_breaks;
	if (argc > 1 && !strncmp(argv[1], "--break=", 8)) {
		broken = atoi(argv[1] + 8);
		return !!policy_run_all(false);
	}
	return ktap_run(tests, ARRAY_SIZE(tests));
}

#endif
