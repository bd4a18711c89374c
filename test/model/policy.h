/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The main program of a model that is searched once for each recovery policy,
 * with a self-test: the search must find each of the wrong variants of the
 * driver from 1 to NR_BREAKS - 1.
 *
 * Included at the end of a model program, which defines struct state, its
 * first state "start", and the functions of struct search.
 *
 * --break=N searches variant N and prints what is wrong with it.
 */
#ifndef UBLK_TEST_POLICY_H
#define UBLK_TEST_POLICY_H

#include "control.h"
#include "ktap.h"
#include "search.h"

static const char *policy_run(bool quiet)
{
	struct search s = {
		.size = sizeof(struct state),
		.expand = expand,
		.check = check,
		.rest = rest,
		.goal = goal,
		.show = show,
	};
	const char *why = search_run(&s, &start, quiet);

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
	for (broken = 1; broken < NR_BREAKS; broken++) {
		const char *why = policy_run_all(true);

		printf("# variant %d: %s\n", broken, why ? why : "not found");
		ktap_true(why);
	}
	broken = 0;
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "policy_stop", policy_test_stop },
		{ "policy_hold", policy_test_hold },
		{ "policy_reissue", policy_test_reissue },
		{ "policy_fail", policy_test_fail },
		{ "finds_mistakes", policy_test_finds_mistakes },
	};

	if (argc > 1 && !strncmp(argv[1], "--break=", 8)) {
		broken = atoi(argv[1] + 8);
		return !!policy_run_all(false);
	}
	return ktap_run(tests, ARRAY_SIZE(tests));
}

#endif
