// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Targets in files of their own, which the program loads by name: those that need a
 * library that not everybody wants. The file ublk-target-NAME.so is in the directory
 * ../lib/ublk beside the program's, or in the one that UBLK_TARGET_DIR names.
 *
 * A module uses the library that is in the program, whose functions the program
 * exports. Both were compiled with one libublk.h, so their versions are compared, and
 * a module that brings a second libublk is refused: that one would have its own
 * idea of the thread it is in.
 *
 * A module stays loaded. Called by one thread.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "targets.h"

#define MODULE_PREFIX	"ublk-target-"
#define MODULE_SUFFIX	".so"
#define MODULE_NAME_MAX	32

const struct target_module_info target_modules[] = {
	{ "nbd", "the disk of an NBD server", "ublk-nbd" },
	{ "nbdkit", "what a plugin of nbdkit has", "ublk-nbd" },
	{ "image", "a disk image of qemu, such as qcow2", "ublk-nbd" },
	{ "rbd", "an image of Ceph", "ublk-rbd" },
	{ NULL }
};

static const char *target_module_dir(void)
{
	const char *env = secure_getenv("UBLK_TARGET_DIR");
	static char dir[PATH_MAX];
	char prog[PATH_MAX - 16], *slash;
	ssize_t len;

	if (env && *env)
		return env;
	len = readlink("/proc/self/exe", prog, sizeof(prog) - 1);
	if (len <= 0)
		return "/usr/lib/ublk";
	prog[len] = 0;
	slash = strrchr(prog, '/');
	*slash = 0;
	snprintf(dir, sizeof(dir), "%s/../lib/ublk", prog);
	return dir;
}

static bool target_module_name_ok(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len && !name[len] && len < MODULE_NAME_MAX;
}

static void target_module_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/" MODULE_PREFIX "%s" MODULE_SUFFIX,
		 target_module_dir(), name);
}

bool target_module_exists(const char *name)
{
	char path[PATH_MAX + MODULE_NAME_MAX];

	if (!target_module_name_ok(name))
		return false;
	target_module_path(path, sizeof(path), name);
	return !access(path, R_OK);
}

/* Was a libublk loaded that is not the program's? */
static bool target_module_second_library(void)
{
	void *lib = dlopen("libublk.so.0", RTLD_NOW | RTLD_NOLOAD);

	if (!lib)
		return false;
	dlclose(lib);
	return true;
}

static const struct ublk_target *
target_module_find_in(const char *path, void *handle, const char *name)
{
	const struct ublk_module *m = dlsym(handle, "ublk_module");
	const struct ublk_target * const *t;

	if (!m) {
		ublk_error(-EINVAL, "%s: is no target of ublk", path);
		return NULL;
	}
	if (strcmp(m->version, UBLK_VERSION)) {
		ublk_error(-EINVAL, "%s: is of version %s, the program is of version " UBLK_VERSION "; install both of one version",
			   path, m->version);
		return NULL;
	}
	if (target_module_second_library()) {
		ublk_error(-EINVAL, "%s: brings a libublk of its own; it must not be linked with one",
			   path);
		return NULL;
	}
	for (t = m->targets; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	ublk_error(-EINVAL, "%s: has no target \"%s\"", path, name);
	return NULL;
}

const struct ublk_target *target_module_load(const char *name)
{
	const struct ublk_target *target;
	char path[PATH_MAX + MODULE_NAME_MAX];
	void *handle;

	if (!target_module_exists(name))
		return NULL;
	target_module_path(path, sizeof(path), name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		ublk_error(-EINVAL, "target \"%s\": %s", name, dlerror());
		return NULL;
	}
	target = target_module_find_in(path, handle, name);
	if (!target)
		dlclose(handle);
	return target;
}

const struct target_module_info *target_module_known(const char *name)
{
	const struct target_module_info *m;

	for (m = target_modules; m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

int target_module_each_other(void (*fn)(const char *name, void *arg), void *arg)
{
	char name[MODULE_NAME_MAX];
	size_t pre = strlen(MODULE_PREFIX), suf = strlen(MODULE_SUFFIX), len;
	struct dirent **list;
	int i, nr;

	nr = scandir(target_module_dir(), &list, NULL, alphasort);
	for (i = 0; i < nr; i++) {
		const char *file = list[i]->d_name;

		len = strlen(file);
		if (len > pre + suf && len - pre - suf < sizeof(name) &&
		    !strncmp(file, MODULE_PREFIX, pre) &&
		    !strcmp(file + len - suf, MODULE_SUFFIX)) {
			snprintf(name, len - pre - suf + 1, "%s", file + pre);
			if (!target_module_known(name))
				fn(name, arg);
		}
		free(list[i]);
	}
	if (nr >= 0)
		free(list);
	return nr < 0 ? -errno : 0;
}
