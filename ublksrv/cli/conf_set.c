// SPDX-License-Identifier: GPL-2.0
/*
 * All declarations: which there are, and whether two of them want the same store or
 * the same number.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"
#include "opt.h"

static int conf_compare(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

/* The name of the device, allocated, if it is the file of one. */
static char *conf_name_of(const char *file)
{
	size_t len = strlen(file), end = strlen(CONF_SUFFIX);

	if (*file == '.' || len <= end || strcmp(file + len - end, CONF_SUFFIX))
		return NULL;
	return strndup(file, len - end);
}

int conf_names(char ***names)
{
	DIR *dir = opendir(conf_dir());
	struct dirent *e;
	size_t nr = 0;
	char *name;
	int ret = 0;

	*names = NULL;
	if (!dir)
		return errno == ENOENT ? 0 : ublk_error(-errno, "%s: %s", conf_dir(),
							strerror(errno));
	while (!ret && (e = readdir(dir))) {
		name = conf_name_of(e->d_name);
		if (name)
			ret = opt_list_add(names, name);
	}
	closedir(dir);
	if (ret)
		opt_list_free(names);
	while (*names && (*names)[nr])
		nr++;
	if (nr)
		qsort(*names, nr, sizeof(**names), conf_compare);
	return ret;
}

/* Do two files name the same store? Other names may lead to it. */
static bool conf_same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (!strcmp(a, b))
		return true;
	if (stat(a, &x) || stat(b, &y))
		return false;
	if (S_ISBLK(x.st_mode) || S_ISBLK(y.st_mode))
		return S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode) &&
			x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Text or array of texts. Return: the one of @a that @b has, too; or NULL */
static const char *conf_shared(const json_t *a, const json_t *b)
{
	const char *found = NULL;
	const json_t *val;
	size_t i;

	if (json_is_array(a)) {
		json_array_foreach(a, i, val)
			found = found ? : conf_shared(val, b);
		return found;
	}
	if (json_is_array(b)) {
		json_array_foreach(b, i, val)
			found = found ? : conf_shared(a, val);
		return found;
	}
	if (!json_is_string(a) || !json_is_string(b) ||
	    !conf_same_file(json_string_value(a), json_string_value(b)))
		return NULL;
	return json_string_value(a);
}

static __u64 conf_size(const json_t *words, const char *word)
{
	const char *text = conf_text(words, word);
	__u64 val = 0;

	return text && !opt_size(text, &val) ? val : 0;
}

/* Parts of a file that do not overlap, or both are only read. */
static bool conf_apart(const struct conf *a, const struct conf *b)
{
	__u64 from[2] = { conf_size(a->words, "offset"), conf_size(b->words, "offset") };
	__u64 size[2] = { conf_size(a->words, "size"), conf_size(b->words, "size") };
	const char *ro[2] = { conf_text(a->words, "read-only"), conf_text(b->words, "read-only") };

	if (a->target != b->target || strcmp(a->target->name, "loop"))
		return false;
	if (ro[0] && ro[1] && !strcmp(ro[0], "yes") && !strcmp(ro[1], "yes"))
		return true;
	return (size[0] && from[0] + size[0] <= from[1]) ||
		(size[1] && from[1] + size[1] <= from[0]);
}

static int conf_compare_two(const struct conf *a, const struct conf *b)
{
	const char *file = conf_shared(json_object_get(a->words, "file"),
				       json_object_get(b->words, "file"));
	const char *number[2] = {
		conf_text(a->words, "number"), conf_text(b->words, "number"),
	};
	__u64 id[2];

	if (file && !conf_apart(a, b))
		return ublk_error(-EBUSY, "%s: its store %s is that of %s, too; give each a store of its own",
				  a->path, file, b->path);
	if (number[0] && number[1] && !opt_uint(number[0], &id[0]) &&
	    !opt_uint(number[1], &id[1]) && id[0] == id[1])
		return ublk_error(-EBUSY, "%s: its number %s is that of %s, too; give each a number of its own, or none",
				  a->path, number[0], b->path);
	return 0;
}

int conf_check_alone(const struct conf *c)
{
	struct conf other;
	char **names;
	size_t i;
	int ret;

	ret = conf_names(&names);
	for (i = 0; !ret && names && names[i]; i++) {
		if (!strcmp(names[i], c->name) || conf_read(names[i], &other))
			continue;
		ret = conf_compare_two(c, &other);
		conf_free(&other);
	}
	opt_list_free(&names);
	return ret;
}
