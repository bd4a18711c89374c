/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The main program of a model that is searched once, with a self-test: the search
 * must find each of the wrong variants of the driver between BREAK_NONE and
 * NR_BREAKS. policy.h is that of a model with recovery policies.
 *
 * Included at the end of a model program, which defines run(), that searches the
 * variant in "broken" and returns what is wrong, or NULL.
 *
 * --break=N searches variant N and prints what is wrong with it.
 */
#ifndef UBLK_TEST_VARIANTS_H
#define UBLK_TEST_VARIANTS_H

#include "ktap.h"
#include "search.h"

static void test_search(void)
{
	broken = BREAK_NONE;
	ktap_true(!run(false));
}

/* The search must find what is wrong with each variant. */
static void test_finds_mistakes(void)
{
	for (broken = BREAK_NONE + 1; broken < NR_BREAKS; broken++) {
		const char *why = run(true);

		printf("# variant %d: %s\n", broken, why ? why : "not found");
		ktap_true(why);
	}
	broken = BREAK_NONE;
}

int main(int argc, char **argv)
{
	static const struct ktap_test tests[] = {
		{ "search", test_search },
		{ "finds_mistakes", test_finds_mistakes },
	};

	if (argc > 1 && !strncmp(argv[1], "--break=", 8)) {
		broken = atoi(argv[1] + 8);
		return !!run(false);
	}
	return ktap_run(tests, ARRAY_SIZE(tests));
}

#endif
