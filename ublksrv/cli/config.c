// SPDX-License-Identifier: GPL-2.0
/*
 * A target's configuration as JSON: "add" records the options, so that
 * "recover" needs none.
 *
 * Every option is written under its first long name, even with its default
 * value, because the defaults of a newer program may differ. JSON is UTF-8; a
 * file name that is not becomes {"hex": "..."}.
 *
 * Used by state.c and recover.c, which have the file and the device.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "opt.h"

json_t *config_pack_text(const char *text)
{
	json_t *val = json_string(text), *obj;
	size_t len = strlen(text), i;
	char *hex;

	if (val)
		return val;
	hex = malloc(2 * len + 1);
	if (!hex)
		return NULL;
	for (i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
	obj = json_pack("{s:s}", "hex", hex);
	free(hex);
	return obj;
}

static int config_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *pos = c ? strchr(digits, c) : NULL;

	return pos ? pos - digits : -1;
}

char *config_unpack_text(const json_t *val)
{
	const char *hex = json_string_value(json_object_get(val, "hex"));
	size_t len, i;
	char *text;

	if (json_is_string(val))
		return strdup(json_string_value(val));
	if (!hex || strlen(hex) % 2)
		return NULL;
	len = strlen(hex) / 2;
	text = malloc(len + 1);
	for (i = 0; text && i < len; i++) {
		int hi = config_digit(hex[2 * i]);
		int lo = config_digit(hex[2 * i + 1]);

		if (hi < 0 || lo < 0 || !(hi | lo)) {
			free(text);
			return NULL;
		}
		text[i] = hi << 4 | lo;
	}
	if (text)
		text[len] = 0;
	return text;
}

static json_t *config_pack_list(char * const *text)
{
	json_t *list = json_array();

	for (; text && *text; text++) {
		if (!json_array_append_new(list, config_pack_text(*text)))
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

static int config_unpack_list(char ***list, const json_t *array)
{
	const json_t *val;
	char *text;
	size_t i;

	if (!json_is_array(array))
		return -EBADMSG;
	opt_list_free(list);
	json_array_foreach(array, i, val) {
		text = config_unpack_text(val);
		if (!text)
			return -EBADMSG;
		if (opt_list_add(list, text))
			return -ENOMEM;
	}
	return 0;
}

json_t *config_pack(const struct ublk_target *target, const void *cfg)
{
	const struct ublk_opt *o = target->opts;
	json_t *obj = json_object(), *val;
	char name[40];

	for (; o && o->name; o++) {
		const char *at = (const char *)cfg + o->offset;

		switch (o->type) {
		case UBLK_OPT_FLAG:
		case UBLK_OPT_BOOL:
			val = json_boolean(*(const bool *)at);
			break;
		case UBLK_OPT_UINT:
		case UBLK_OPT_SIZE:
			val = json_integer(*(const __u64 *)at);
			break;
		default:
			if (!*(char * const *)at)
				continue;
			val = o->flags & UBLK_OPT_LIST ?
				config_pack_list(*(char ** const *)at) :
				config_pack_text(*(char * const *)at);
		}
		if (json_object_set_new(obj, opt_name(o, name, sizeof(name)),
					val)) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

static bool config_in_range(const struct ublk_opt *o, __u64 val)
{
	/* 0: an option without default that was not given */
	return (!val && !o->def) ||
		(val >= o->min && (!o->max || val <= o->max));
}

static int config_set(const struct ublk_opt *o, char *at, const json_t *val)
{
	char *text;

	if (o->flags & UBLK_OPT_LIST)
		return config_unpack_list((char ***)at, val);
	switch (o->type) {
	case UBLK_OPT_FLAG:
	case UBLK_OPT_BOOL:
		if (!json_is_boolean(val))
			return -EBADMSG;
		*(bool *)at = json_is_true(val);
		return 0;
	case UBLK_OPT_UINT:
	case UBLK_OPT_SIZE:
		if (!json_is_integer(val) ||
		    !config_in_range(o, json_integer_value(val)))
			return -EBADMSG;
		*(__u64 *)at = json_integer_value(val);
		return 0;
	default:
		text = config_unpack_text(val);
		if (!text)
			return -EBADMSG;
		free(*(char **)at);
		*(char **)at = text;
		return 0;
	}
}

static const struct ublk_opt *config_find(const struct ublk_target *target,
					  const char *key)
{
	const struct ublk_opt *o;
	char name[40];

	for (o = target->opts; o && o->name; o++)
		if (!strcmp(opt_name(o, name, sizeof(name)), key))
			return o;
	return NULL;
}

/* Set the defaults. Text is copied, because config_free() frees it. */
static int config_defaults(const struct ublk_target *target, void *cfg)
{
	struct opt_table table = {
		.opts = target->opts, .base = cfg, .owner = target->name,
	};
	const struct ublk_opt *o;
	int ret;

	ret = opt_defaults(&table);
	for (o = target->opts; o && o->name; o++) {
		char **at = (char **)((char *)cfg + o->offset);

		if (o->type != UBLK_OPT_STR || !*at ||
		    o->flags & UBLK_OPT_LIST)
			continue;
		*at = strdup(*at);
		if (!*at)
			ret = ublk_error(-ENOMEM, "out of memory");
	}
	return ret;
}

static int config_check_required(const struct ublk_target *target,
				 json_t *options)
{
	const struct ublk_opt *o;
	char name[40];

	for (o = target->opts; o && o->name; o++) {
		if (!(o->flags & UBLK_OPT_REQUIRED))
			continue;
		opt_name(o, name, sizeof(name));
		if (!json_object_get(options, name))
			return ublk_error(-EBADMSG, "%s: option \"%s\" is missing",
					  target->name, name);
	}
	return 0;
}

int config_unpack(const struct ublk_target *target, json_t *options,
		  void **pcfg)
{
	void *cfg = calloc(1, target->config_size ? : 1);
	const struct ublk_opt *o;
	const char *key;
	json_t *val;
	int ret;

	if (!cfg)
		return ublk_error(-ENOMEM, "out of memory");
	ret = config_defaults(target, cfg);
	if (!ret)
		ret = config_check_required(target, options);
	if (ret)
		goto err_free;
	json_object_foreach(options, key, val) {
		o = config_find(target, key);
		ret = -EBADMSG;
		if (!o) {
			ublk_error(ret, "%s: this program does not know its option \"%s\"",
				   target->name, key);
			goto err_free;
		}
		ret = config_set(o, (char *)cfg + o->offset, val);
		if (ret) {
			ublk_error(ret, "%s: bad value of option \"%s\"",
				   target->name, key);
			goto err_free;
		}
	}
	*pcfg = cfg;
	return 0;

err_free:
	config_free(target, cfg);
	return ret;
}

/* A value as it can be typed: a place without a unit would be refused. */
static char *config_typed(const struct ublk_opt *o, const json_t *val)
{
	char *text;

	if (!(o->flags & UBLK_OPT_UNIT) || !json_is_integer(val))
		return json_dumps(val, JSON_ENCODE_ANY);
	if (asprintf(&text, "%llus",
		     (unsigned long long)json_integer_value(val) >> 9) < 0)
		return NULL;
	return text;
}

int config_check_layout(const struct ublk_target *target, const void *cfg,
			json_t *options)
{
	json_t *own = config_pack(target, cfg);
	const struct ublk_opt *o;
	char name[40], *text;
	json_t *was;
	int ret = 0;

	if (!own)
		return ublk_error(-ENOMEM, "out of memory");
	for (o = target->opts; o && o->name && !ret; o++) {
		if (!(o->flags & UBLK_OPT_LAYOUT))
			continue;
		opt_name(o, name, sizeof(name));
		was = json_object_get(options, name);
		if (!was || json_equal(was, json_object_get(own, name)))
			continue;
		text = config_typed(o, was);
		ret = ublk_error(-ESTALE, "%s: the disk was added with --%s %s",
				 target->name, name, text ? : "");
		free(text);
	}
	json_decref(own);
	return ret;
}

void config_set_size(const struct ublk_target *target, void *cfg, __u64 bytes)
{
	const struct ublk_opt *o = config_find(target, "size");

	if (o && o->type == UBLK_OPT_SIZE)
		*(__u64 *)((char *)cfg + o->offset) = bytes;
}

void config_free(const struct ublk_target *target, void *cfg)
{
	const struct ublk_opt *o;

	for (o = target->opts; cfg && o && o->name; o++) {
		char **at = (char **)((char *)cfg + o->offset);

		if (o->flags & UBLK_OPT_LIST)
			opt_list_free((char ***)at);
		else if (o->type == UBLK_OPT_STR || o->type == UBLK_OPT_PATH)
			free(*at);
	}
	free(cfg);
}
