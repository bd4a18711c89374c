// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target nbdkit: a plugin of nbdkit with its filters, in a server that is started for
 * the device and ends with it.
 */
#include <errno.h>
#include <string.h>

#include "helper.h"
#include "nbd.h"

struct nbdkit_cfg {
	struct nbd_cfg nbd;
	char **words;
	const char *program;
};

static const struct ublk_opt nbdkit_opts[] = {
	{
		.name = "words", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LIST |
			 UBLK_OPT_REQUIRED | UBLK_OPT_LAYOUT,
		.offset = offsetof(struct nbdkit_cfg, words), .arg = "WORD",
		.help = "plugin, and what it takes; -- before filters",
	},
	{
		.name = "program", .type = UBLK_OPT_STR,
		.offset = offsetof(struct nbdkit_cfg, program),
		.arg = "NAME", .def = "nbdkit", .help = "which nbdkit",
	},
	NBD_OPT_READ_ONLY,
	NBD_OPT_CONNECTIONS,
	NBD_OPT_STRUCTURED,
	NBD_OPT_UNFLUSHED,
	NBD_OPT_KEEP,
	NBD_OPT_TIMEOUT,
	NBD_OPT_RECONNECT,
	{ 0 }
};

/* Everybody sees command lines, and the run-state file keeps them. */
static int nbdkit_check_word(const char *word)
{
	static const char * const names[] = {
		"password", "passphrase", "secret-key", "secret_key",
		"session-token", "session_token",
	};
	const char *value = strchr(word, '=');
	size_t len, end = value ? value - word : 0;
	unsigned int i;

	for (i = 0; value && i < sizeof(names) / sizeof(names[0]); i++) {
		len = strlen(names[i]);
		if (end < len || strncmp(word + end - len, names[i], len) ||
		    value[1] == '+')
			continue;
		return ublk_error(-EINVAL, "nbdkit: %.*s=...: everybody sees a command line; write it to a file, and give %.*s=+FILE if the plugin takes that",
				  (int)end, word, (int)end, word);
	}
	return 0;
}

static int nbdkit_open(struct ublk_dev *dev, void *cfg)
{
	const struct nbdkit_cfg *c = cfg;
	const char *words[HELPER_WORDS + 1] = {
		c->program, "--foreground", "--unix", "@SOCKET@",
	};
	struct helper *helper;
	int nr = 4, i, ret;

	for (i = 0; c->words[i]; i++) {
		if (nr == HELPER_WORDS)
			return ublk_error(-E2BIG, "nbdkit: more than %d words",
					  HELPER_WORDS - 4);
		ret = nbdkit_check_word(c->words[i]);
		if (ret)
			return ret;
		words[nr++] = c->words[i];
	}
	words[nr] = NULL;
	ret = helper_new(words, &helper);
	if (ret)
		return ublk_error(ret, "nbdkit: %s", ublk_strerror_last());
	return nbd_open_with(dev, &c->nbd, helper);
}

const struct ublk_target nbdkit_target = {
	NBD_TARGET(struct nbdkit_cfg, nbdkit_open),
	.name = "nbdkit",
	.summary = "what a plugin of nbdkit has",
	.opts = nbdkit_opts,
};
