/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Where the bytes of a striped disk lie (RAID 0).
 *
 * The disk is cut into chunks: chunk c of the disk is chunk c / nr of member
 * c % nr. Pure arithmetic, used by stripe.c; test/unit/stripe_map.c compares it
 * with a model that places byte after byte.
 *
 * All values are in bytes. Positions and lengths stay within the capacity; the
 * block layer and stripe_capacity() ensure that.
 */
#ifndef UBLK_STRIPE_MAP_H
#define UBLK_STRIPE_MAP_H

#include <linux/types.h>

/**
 * struct stripe_geo - shape of a striped disk
 * @nr: members, at least 1
 * @chunk_shift: log2 of the bytes of a chunk
 */
struct stripe_geo {
	__u32 nr;
	__u32 chunk_shift;
};

/**
 * struct stripe_part - a piece of a request on one member
 * @member: which one
 * @pos: where on it
 * @len: bytes, 0 for none
 */
struct stripe_part {
	__u32 member;
	__u64 pos;
	__u64 len;
};

/**
 * stripe_capacity - bytes of the disk
 * @g: shape
 * @smallest: bytes of the smallest member
 *
 * Return: whole stripes only; 0 when the member is smaller than a chunk, or
 * when the disk would be larger than a signed 64-bit number
 */
static inline __u64 stripe_capacity(struct stripe_geo g, __u64 smallest)
{
	__u64 member = smallest >> g.chunk_shift << g.chunk_shift;

	if (member > 0x7fffffffffffffffULL / g.nr)
		return 0;
	return member * g.nr;
}

/**
 * stripe_map - the first piece of a request
 * @g: shape
 * @pos: start on the disk
 * @len: bytes wanted
 *
 * Return: where @pos is, and how far it goes on there, at most @len
 */
static inline struct stripe_part stripe_map(struct stripe_geo g, __u64 pos,
					    __u64 len)
{
	__u64 size = 1ULL << g.chunk_shift;
	__u64 chunk = pos >> g.chunk_shift;
	__u64 in = pos & (size - 1);
	struct stripe_part part = {
		.member = chunk % g.nr,
		.pos = (chunk / g.nr << g.chunk_shift) + in,
		.len = len < size - in ? len : size - in,
	};

	return part;
}

/* How many of the bytes below @pos are on @member. */
static inline __u64 stripe_below(struct stripe_geo g, __u32 member, __u64 pos)
{
	__u64 chunk = pos >> g.chunk_shift;
	__u64 whole = chunk / g.nr + (chunk % g.nr > member);
	__u64 rest = chunk % g.nr == member ?
		pos & ((1ULL << g.chunk_shift) - 1) : 0;

	return (whole << g.chunk_shift) + rest;
}

/**
 * stripe_range - all of a request that is on one member
 * @g: shape
 * @member: which one
 * @pos: start on the disk
 * @len: bytes
 *
 * The chunks of a request that are on one member follow each other there, so an
 * operation without data needs one call per member.
 *
 * Return: the piece, of length 0 when the member is not touched
 */
static inline struct stripe_part stripe_range(struct stripe_geo g, __u32 member,
					      __u64 pos, __u64 len)
{
	__u64 start = stripe_below(g, member, pos);
	struct stripe_part part = {
		.member = member,
		.pos = start,
		.len = stripe_below(g, member, pos + len) - start,
	};

	return part;
}

/**
 * stripe_max_parts - most pieces that stripe_map() makes of a request
 * @g: shape
 * @len: bytes of the longest request
 *
 * Return: number of pieces
 */
static inline __u32 stripe_max_parts(struct stripe_geo g, __u32 len)
{
	/* starts and ends within a chunk */
	return (len >> g.chunk_shift) + 2;
}

#endif
