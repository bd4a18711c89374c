// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Commands to the qemu-storage-daemon of target image, by QMP: JSON objects on a socket
 * beside that of NBD. Runs in "ublk resize", while the daemon goes on.
 *
 * Between the deletion of the export and the new one the disk has no server, and its
 * requests wait. When this process dies there, the daemon starts the server anew after
 * some seconds (link.c), and that has the export.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <jansson.h>

#include "libublk.h"
#include "image.h"
#include "rundir.h"

#define QMP_SECONDS	20

struct qmp {
	FILE *in;
	int fd;
};

/* The socket in the directory of that daemon's helper. */
static int qmp_find(pid_t daemon, struct sockaddr_un *addr)
{
	char pattern[300];
	glob_t found;
	int ret;

	snprintf(pattern, sizeof(pattern), "%.200s/nbd-%d.*/sock" IMAGE_QMP,
		 run_dir(), (int)daemon);
	ret = glob(pattern, 0, NULL, &found);
	if (ret)
		return ublk_error(-ENOENT, "%s: no such socket; was the device added by an older version, or is its daemon gone?",
				  pattern);
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%s",
		 found.gl_pathv[0]);
	globfree(&found);
	return 0;
}

/* Return: the next object, or NULL with a message */
static json_t *qmp_next(struct qmp *q)
{
	json_error_t error;
	json_t *obj = json_loadf(q->in, JSON_DISABLE_EOF_CHECK, &error);

	if (!obj)
		ublk_error(-EIO, "the server does not answer on its QMP socket: %s",
			   error.text);
	return obj;
}

static int qmp_send(struct qmp *q, json_t *cmd)
{
	char *text = cmd ? json_dumps(cmd, JSON_COMPACT) : NULL;
	int ret = 0;

	json_decref(cmd);
	if (!text)
		return ublk_error(-ENOMEM, "out of memory");
	if (send(q->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		ret = ublk_error(-errno, "QMP: %s", strerror(errno));
	free(text);
	return ret;
}

/*
 * Send a command, stolen, and wait for its result; events are left out. @result:
 * receives it, or NULL
 */
static int qmp_call(struct qmp *q, json_t *cmd, json_t **result)
{
	json_t *obj, *error;
	const char *why;
	int ret = qmp_send(q, cmd);

	while (!ret && (obj = qmp_next(q))) {
		error = json_object_get(obj, "error");
		why = json_string_value(json_object_get(error, "desc"));
		if (error)
			ret = ublk_error(-EIO, "%s", why ? why : "QMP: an error");
		if (!error && !json_object_get(obj, "return")) {
			json_decref(obj);
			continue;
		}
		if (!error && result)
			*result = json_incref(json_object_get(obj, "return"));
		json_decref(obj);
		return ret;
	}
	return ret ? ret : -EIO;
}

/* Wait for an event. */
static int qmp_wait(struct qmp *q, const char *name)
{
	bool found = false;
	json_t *obj;

	while (!found && (obj = qmp_next(q))) {
		const char *event = json_string_value(json_object_get(obj, "event"));

		found = event && !strcmp(event, name);
		json_decref(obj);
	}
	return found ? 0 : -EIO;
}

static int qmp_open(struct qmp *q, pid_t daemon)
{
	struct timeval limit = { .tv_sec = QMP_SECONDS };
	struct sockaddr_un addr = { 0 };
	json_t *greeting;
	int ret = qmp_find(daemon, &addr);

	q->in = NULL;
	if (ret)
		return ret;
	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return ublk_error(-errno, "socket: %s", strerror(errno));
	setsockopt(q->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!connect(q->fd, (const struct sockaddr *)&addr, sizeof(addr)))
		q->in = fdopen(q->fd, "r");
	if (!q->in) {
		ret = ublk_error(-errno, "%s: %s", addr.sun_path,
				 strerror(errno));
		close(q->fd);
		return ret;
	}
	greeting = qmp_next(q);
	json_decref(greeting);
	return greeting ? qmp_call(q, json_pack("{s:s}", "execute",
						"qmp_capabilities"), NULL) : -EIO;
}

/* Bytes of the image, or 0 with a message. */
static __u64 qmp_size(struct qmp *q)
{
	json_t *nodes = NULL, *node;
	__u64 size = 0;
	size_t i;

	if (qmp_call(q, json_pack("{s:s, s:{s:b}}", "execute",
				  "query-named-block-nodes", "arguments",
				  "flat", 1), &nodes))
		return 0;
	json_array_foreach(nodes, i, node) {
		const char *name = json_string_value(json_object_get(node, "node-name"));
		json_t *image = json_object_get(node, "image");

		if (name && !strcmp(name, IMAGE_NODE))
			size = json_integer_value(json_object_get(image, "virtual-size"));
	}
	json_decref(nodes);
	if (!size)
		ublk_error(-EIO, "the server does not say how large the image is");
	return size;
}

static int qmp_take_export(struct qmp *q)
{
	int ret = qmp_call(q, json_pack("{s:s, s:{s:s, s:s}}", "execute",
					"block-export-del", "arguments", "id",
					IMAGE_EXPORT, "mode", "hard"), NULL);

	return ret ? ret : qmp_wait(q, "BLOCK_EXPORT_DELETED");
}

static int qmp_give_export(struct qmp *q)
{
	return qmp_call(q, json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:b}}",
				     "execute", "block-export-add", "arguments",
				     "type", "nbd", "id", IMAGE_EXPORT,
				     "node-name", IMAGE_NODE, "name", "",
				     "writable", 1), NULL);
}

static int qmp_resize(struct qmp *q, __u64 bytes)
{
	return qmp_call(q, json_pack("{s:s, s:{s:s, s:I}}", "execute",
				     "block_resize", "arguments", "node-name",
				     IMAGE_NODE, "size", (json_int_t)bytes),
			NULL);
}

static int qmp_grow_on(struct qmp *q, __u64 bytes)
{
	__u64 size = qmp_size(q);
	char why[256];
	int ret;

	if (!size)
		return -EIO;
	if (size >= bytes)
		return 0;
	ret = qmp_take_export(q);
	if (ret)
		return ret;
	ret = qmp_resize(q, bytes);
	snprintf(why, sizeof(why), "%s", ret ? ublk_strerror_last() : "");
	if (qmp_give_export(q))
		return -EIO;
	return ret ? ublk_error(ret, "%s", why) : 0;
}

int qmp_grow(pid_t daemon, __u64 bytes)
{
	struct qmp q;
	int ret = qmp_open(&q, daemon);

	if (!ret)
		ret = qmp_grow_on(&q, bytes);
	if (q.in)
		fclose(q.in);
	return ret;
}
