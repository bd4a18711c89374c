// SPDX-License-Identifier: GPL-2.0
/*
 * logic/tag.h: every cell of the state table, written a second time from
 * data.rst section 7. test/model/tag.c searches all orders of events.
 */
#include <errno.h>

#include "ktap.h"
#include "logic/tag.h"

/* Letters of data.rst; C: committing, R: redirected. */
enum { U, A, P, N, O, X, C, R };

static const struct {
	const char *name;
	enum ublk_tag_event event;
	int next[UBLK_TAG_NR_STATES];
} table[] = {
	{ "fetch", UBLK_EV_FETCH,
	  { A, -EINVAL, -EINVAL, -EBUSY, -EBUSY, -EINVAL, -EINVAL, -EINVAL } },
	{ "request", UBLK_EV_REQUEST,
	  { -ENODEV, P, -EPROTO, -EPROTO, -EPROTO, -ENODEV, -EPROTO, -EPROTO } },
	{ "cancel", UBLK_EV_CANCEL,
	  { -ENOENT, X, -EBUSY, -ENOENT, -ENOENT, -ENOENT, -ENOENT, X } },
	{ "deliver", UBLK_EV_DELIVER,
	  { -EPROTO, -EPROTO, O, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO } },
	{ "ask data", UBLK_EV_ASK_DATA,
	  { -EPROTO, -EPROTO, N, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO } },
	{ "undelivered", UBLK_EV_UNDELIVERED,
	  { -EPROTO, -EPROTO, A, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO } },
	{ "get data", UBLK_EV_GET_DATA,
	  { -EINVAL, -EBUSY, -EBUSY, O, -EINVAL, -EBUSY, -EPROTO, -EBUSY } },
	{ "get undelivered", UBLK_EV_GET_UNDELIVERED,
	  { -EINVAL, -EBUSY, -EBUSY, A, -EINVAL, -EBUSY, -EPROTO, -EBUSY } },
	{ "commit", UBLK_EV_COMMIT,
	  { -EINVAL, -EBUSY, -EBUSY, -EINVAL, A, -EBUSY, A, -EBUSY } },
	{ "gone", UBLK_EV_GONE,
	  { U, -EPROTO, -EPROTO, U, U, U, -EPROTO, -EPROTO } },
	{ "commit begin", UBLK_EV_COMMIT_BEGIN,
	  { -EBUSY, -EBUSY, -EBUSY, -EBUSY, C, -EBUSY, -EBUSY, -EBUSY } },
	{ "commit undo", UBLK_EV_COMMIT_UNDO,
	  { -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO, O, -EPROTO } },
	{ "gone, batch", UBLK_EV_GONE_BATCH,
	  { U, U, P, -EPROTO, U, U, -EPROTO, -EPROTO } },
	{ "expire", UBLK_EV_EXPIRE,
	  { -EBUSY, -EBUSY, -EBUSY, X, X, -EBUSY, -EBUSY, -EBUSY } },
	{ "redirect", UBLK_EV_REDIRECT,
	  { -EINVAL, -EBUSY, -EBUSY, -EINVAL, R, -EBUSY, R, -EBUSY } },
	{ "redirect end", UBLK_EV_REDIRECT_END,
	  { -EPROTO, -EPROTO, -EPROTO, -EPROTO, -EPROTO, X, -EPROTO, A } },
};

static void test_table(void)
{
	unsigned int state;
	size_t i;

	ktap_eq(ARRAY_SIZE(table), UBLK_EV_NR);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		ktap_row = table[i].name;
		ktap_eq(table[i].event, i);
		for (state = 0; state < UBLK_TAG_NR_STATES; state++)
			ktap_eq(ublk_tag_next(state, table[i].event),
				table[i].next[state]);
	}
}

static void test_bad_state(void)
{
	ktap_eq(ublk_tag_next(UBLK_TAG_NR_STATES, UBLK_EV_FETCH), -EPROTO);
	ktap_eq(ublk_tag_next(255, UBLK_EV_GONE), -EPROTO);
	ktap_eq(ublk_tag_next(~0u, UBLK_EV_COMMIT), -EPROTO);
}

static void test_predicates(void)
{
	static const bool command[] = { [A] = true, [P] = true, [R] = true };
	static const bool owned[] = { [N] = true, [O] = true, [R] = false };
	unsigned int state;

	for (state = 0; state < UBLK_TAG_NR_STATES; state++) {
		ktap_row = ublk_tag_name(state);
		ktap_eq(ublk_tag_has_command(state), command[state]);
		ktap_eq(ublk_tag_is_owned(state), owned[state]);
	}
	ktap_true(!ublk_tag_has_command(~0u));
	ktap_true(!ublk_tag_is_owned(~0u));
}

static void test_names(void)
{
	unsigned int a, b;

	for (a = 0; a < UBLK_TAG_NR_STATES; a++) {
		ktap_true(*ublk_tag_name(a) && *ublk_tag_name(a) != '?');
		for (b = 0; b < a; b++)
			ktap_true(strcmp(ublk_tag_name(a), ublk_tag_name(b)));
	}
	ktap_true(!strcmp(ublk_tag_name(UBLK_TAG_NR_STATES), "?"));
}

static const struct ktap_test tests[] = {
	{ "table", test_table },
	{ "bad_state", test_bad_state },
	{ "predicates", test_predicates },
	{ "names", test_names },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
