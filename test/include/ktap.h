/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP output for test programs: a table of named functions, and expectations
 * that report file, line and both values. The plan is printed before the first
 * test, so the runner notices a program that dies early.
 *
 * Included once per test program, so it may define variables. A program is
 *
 *	static void test_this(void) { ktap_eq(1 + 1, 2); }
 *	static const struct ktap_test tests[] = { { "this", test_this }, };
 *	int main(void) { return ktap_run(tests, ARRAY_SIZE(tests)); }
 */
#ifndef UBLK_TEST_KTAP_H
#define UBLK_TEST_KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef fallthrough
#define fallthrough	__attribute__((__fallthrough__))
#endif
#ifndef __printf
#define __printf(fmt, first)	__attribute__((__format__(printf, fmt, first)))
#endif

struct ktap_test {
	const char *name;
	void (*fn)(void);
};

/* An expectation of the running test failed. */
static bool ktap_failed;
/* The row of a table that is tested, printed with failures; or NULL. */
static const char *ktap_row;

static inline __printf(3, 4)
void ktap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	ktap_failed = true;
	printf("# %s:%d: ", file, line);
	if (ktap_row)
		printf("%s: ", ktap_row);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* Each argument is evaluated once. */
#define ktap_true(cond) \
	((cond) ? (void)0 : ktap_fail(__FILE__, __LINE__, "%s is false", #cond))

static inline void ktap_eq_at(const char *file, int line, const char *expr,
			      long long got, long long want)
{
	if (got != want)
		ktap_fail(file, line, "%s is %lld (%#llx), not %lld (%#llx)",
			  expr, got, (unsigned long long)got, want,
			  (unsigned long long)want);
}

#define ktap_eq(got, want) \
	ktap_eq_at(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))

/* Return: exit status of the program. */
static inline int ktap_run(const struct ktap_test *tests, size_t nr)
{
	size_t i, failures = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%zu\n", nr);
	for (i = 0; i < nr; i++) {
		ktap_failed = false;
		ktap_row = NULL;
		tests[i].fn();
		failures += ktap_failed;
		printf("%sok %zu %s\n", ktap_failed ? "not " : "", i + 1,
		       tests[i].name);
	}
	printf("# Totals: pass:%zu fail:%zu\n", nr - failures, failures);
	return failures ? 1 : 0;
}

#endif
