/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A target's configuration as JSON, for the run-state file: see config.c.
 */
#ifndef UBLK_CONFIG_H
#define UBLK_CONFIG_H

#include <jansson.h>

#include "libublk.h"

/**
 * config_pack_text - a file name or other bytes as JSON
 * @text: bytes
 *
 * Return: new reference, or NULL without memory
 */
json_t *config_pack_text(const char *text);

/**
 * config_unpack_text - the reverse of config_pack_text()
 * @val: value
 *
 * Return: text for free(), or NULL
 */
char *config_unpack_text(const json_t *val);

/**
 * config_pack - the options of a target as an object, by long name
 * @target: target
 * @cfg: its configuration
 *
 * Return: new reference, or NULL without memory
 */
json_t *config_pack(const struct ublk_target *target, const void *cfg);

/**
 * config_unpack - the reverse of config_pack()
 * @target: target
 * @options: object; an option that it lacks gets its default
 * @cfg: receives the configuration, for config_free()
 *
 * Refuses an option that this program does not know: without it, data could be
 * written to a wrong place.
 *
 * Return: 0; -EBADMSG or -ENOMEM with a message
 */
int config_unpack(const struct ublk_target *target, json_t *options,
		  void **cfg);

/**
 * config_check_layout - does a configuration have the data in the same places
 * @target: target
 * @cfg: configuration
 * @options: what an earlier daemon recorded of the same target
 *
 * Return: 0; -ESTALE or -ENOMEM with a message
 */
int config_check_layout(const struct ublk_target *target, const void *cfg,
			json_t *options);

/**
 * config_set_size - set the capacity in a configuration
 * @target: target
 * @cfg: its configuration
 * @bytes: value for the option "size", if the target has one
 */
void config_set_size(const struct ublk_target *target, void *cfg, __u64 bytes);

/**
 * config_free - release a configuration of config_unpack()
 * @target: target
 * @cfg: configuration or NULL
 */
void config_free(const struct ublk_target *target, void *cfg);

#endif
