/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Reading /proc and /sys: lines, device numbers, mounts, swap areas, open files.
 *
 * Called by holder.c, which names who uses a store, and by the program, which
 * names who uses a disk.
 */
#ifndef UBLK_PROCFS_H
#define UBLK_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct stat;

/**
 * procfs_line - read the first line of a file
 * @path: name
 * @buf: receives the line without its newline, or "" if there is none
 * @len: size of @buf
 *
 * Return: true if there is one
 */
bool procfs_line(const char *path, char *buf, size_t len);

/**
 * procfs_dev - read a device number
 * @text: as "259:3"
 *
 * Return: device number, 0 if it is none
 */
dev_t procfs_dev(const char *text);

/**
 * procfs_whole - the whole disk of a partition
 * @dev: block device
 *
 * Return: device number, 0 if @dev is no partition
 */
dev_t procfs_whole(dev_t dev);

/**
 * struct procfs_mount - a line of mountinfo
 * @dev: device number of the disk. A file system on several devices (btrfs) has a
 *	 number of its own there; this is then that of its source
 * @dir: mount point
 * @in: the others are for procfs_mount_next()
 */
struct procfs_mount {
	dev_t dev;
	char *dir;
	FILE *in;
	char *line;
	size_t size;
};

/**
 * procfs_mount_open - begin to read mountinfo
 * @m: for procfs_mount_next(), then procfs_mount_close()
 * @pid: process whose mount namespace is meant, or NULL for this one
 */
void procfs_mount_open(struct procfs_mount *m, const char *pid);

/**
 * procfs_mount_next - read the next mount
 * @m: receives it, until the next call
 *
 * Return: false at the end
 */
bool procfs_mount_next(struct procfs_mount *m);

void procfs_mount_close(struct procfs_mount *m);

/**
 * procfs_node - the device number of a node
 * @path: name
 *
 * Only names below /dev are looked up: stat() of another one could wait for the
 * server of its file system.
 *
 * Return: device number of the block device, or 0
 */
dev_t procfs_node(const char *path);

/**
 * procfs_swap - read the next swap area
 * @in: /proc/swaps
 * @buf: receives its name
 * @len: size of @buf
 *
 * Return: false at the end
 */
bool procfs_swap(FILE *in, char *buf, size_t len);

/**
 * procfs_stat_fd - stat() of a file that a process has open
 * @dir: descriptor of /proc/PID/fd
 * @fd: name in there
 * @st: receives type, inode and device numbers
 *
 * The server of the file's file system is not asked: one that does not answer
 * would stop the caller.
 *
 * Return: true if it has been read
 */
bool procfs_stat_fd(int dir, const char *fd, struct stat *st);

#endif
