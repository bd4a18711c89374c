// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk doctor": look at everything that devices need, and say what is wrong and how
 * to cure it. Nothing is changed.
 *
 * doctor_system.c looks at the system, doctor_devices.c at devices and their records.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "doctor.h"
#include "json.h"

static const struct {
	const char *name;
	void (*check)(struct doctor *d);
} doctor_checks[] = {
	{ "kernel", doctor_kernel },
	{ "module", doctor_module },
	{ "io_uring", doctor_uring },
	{ "limits", doctor_limits },
	{ "permissions", doctor_permissions },
	{ "udev", doctor_udev },
	{ "run-state", doctor_run_state },
	{ "devices", doctor_devices },
	{ "declarations", doctor_declarations },
};

static void doctor_note(struct doctor *d, const char *text, const char *cure)
{
	if (out_is_json()) {
		out_append("checks", json_pack("{s:s, s:b, s:s, s:s}", "check",
					       d->check, "ok", !*cure, "text",
					       text, "cure", cure));
		return;
	}
	printf("%s %s: %s%s%s\n", *cure ? "BAD" : "ok ", d->check, text,
	       *cure ? "; " : "", cure);
}

void doctor_ok(struct doctor *d, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doctor_note(d, text, "");
}

void doctor_bad(struct doctor *d, const char *cure, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->bad++;
	doctor_note(d, text, cure);
}

static int doctor_run(int argc, char **argv)
{
	struct doctor d = { 0 };
	int none = 0, ret;
	size_t i;

	ret = cli_parse(&doctor_command, &none, argc, argv);
	if (ret >= 0)
		return ret;
	out_set("checks", json_array());
	/* the module says more than what follows from it */
	if (ublk_ctrl_open(&d.ctrl))
		d.ctrl = NULL;
	else
		ublk_ctrl_set_deadline(d.ctrl, CLI_QUERY_MS);
	for (i = 0; i < sizeof(doctor_checks) / sizeof(doctor_checks[0]); i++) {
		d.check = doctor_checks[i].name;
		doctor_checks[i].check(&d);
	}
	ublk_ctrl_close(d.ctrl);
	if (!d.bad)
		return EXIT_OK;
	ublk_error(-EIO, "/dev/ublk-control and devices: %u thing%s wrong, see above",
		   d.bad, d.bad > 1 ? "s are" : " is");
	return cli_fail(-EIO);
}

static const struct ublk_opt doctor_opts[] = { { 0 } };

const struct cli_command doctor_command = {
	.name = "doctor",
	.args = "",
	.summary = "say what is wrong with system and devices",
	.opts = doctor_opts,
	.run = doctor_run,
};
