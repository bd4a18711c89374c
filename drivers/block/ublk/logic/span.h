/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Does a request lie in one registered shared buffer, in order? (D-122, D-123)
 *
 * shmem.c keeps a buffer as spans: runs of physically contiguous pages. It
 * looks up the span of each piece of the request and feeds both to
 * ublk_span_add(), which says whether the pieces so far are one contiguous
 * range of one buffer. Addresses are physical, in bytes, so that a piece may
 * begin and end anywhere in a page.
 */
#ifndef UBLK_LOGIC_SPAN_H
#define UBLK_LOGIC_SPAN_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/**
 * struct ublk_span - physically contiguous part of a registered buffer
 * @start: physical address of the first byte
 * @len: bytes, not 0; @start + @len does not overflow
 * @offset: of the first byte in the buffer
 * @flags: UBLK_SHMEM_BUF_* of the buffer
 * @index: of the buffer
 */
struct ublk_span {
	u64	start;
	u64	len;
	u64	offset;
	u32	flags;
	u16	index;
};

/**
 * ublk_span_extend() - extend a span by the memory right behind it
 * @span: the span
 * @addr: physical address of what comes next in the buffer
 * @len: its bytes, not 0
 *
 * Return: false, with @span unchanged, if it lies elsewhere.
 */
static inline bool ublk_span_extend(struct ublk_span *span, u64 addr, u64 len)
{
	if (addr < span->start || addr - span->start != span->len)
		return false;
	span->len += len;
	return true;
}

/**
 * struct ublk_span_match - the part of a request that was matched so far
 * @first: offset in the buffer of the request's first byte
 * @next: offset that the next piece has to begin at
 * @index: of the buffer
 * @begun: false until the first piece: the others mean nothing
 */
struct ublk_span_match {
	u64	first;
	u64	next;
	u16	index;
	bool	begun;
};

/**
 * ublk_span_usable() - may this buffer serve this operation? (D-123)
 * @span: any span of the buffer
 * @op: UBLK_IO_OP_*
 *
 * Return: false for a READ_ONLY buffer and any operation but a plain write.
 */
static inline bool ublk_span_usable(const struct ublk_span *span, u8 op)
{
	return op == UBLK_IO_OP_WRITE ||
	       !(span->flags & UBLK_SHMEM_BUF_READ_ONLY);
}

/**
 * ublk_span_covers() - how much of a piece lies in a span?
 * @span: the span
 * @addr: physical address of the piece
 * @len: its bytes
 *
 * Return: bytes of the piece, from its start, that are in @span; 0 if it does
 * not begin there.
 */
static inline u64 ublk_span_covers(const struct ublk_span *span, u64 addr,
				   u64 len)
{
	u64 room;

	if (addr < span->start || addr - span->start >= span->len)
		return 0;
	room = span->len - (addr - span->start);
	return len < room ? len : room;
}

/**
 * ublk_span_add() - match one more piece of a request (D-122)
 * @match: zeroed before the first piece; unchanged on failure
 * @span: the span that covers the piece
 * @addr: physical address of the piece
 * @len: its bytes; the caller splits a piece that covers two spans
 *
 * Return: 0, or -ENOENT if the piece is not in @span, or is in another buffer
 * than the pieces before it or not right behind them.
 */
static inline int ublk_span_add(struct ublk_span_match *match,
				const struct ublk_span *span, u64 addr, u64 len)
{
	u64 offset;

	if (!len || ublk_span_covers(span, addr, len) != len)
		return -ENOENT;
	offset = span->offset + (addr - span->start);
	if (!match->begun) {
		match->first = offset;
		match->index = span->index;
		match->begun = true;
	} else if (match->index != span->index || match->next != offset) {
		return -ENOENT;
	}
	match->next = offset + len;
	return 0;
}

/**
 * ublk_span_addr() - descriptor address of a matched request (D-22)
 * @match: after the last piece
 *
 * Return: index and offset as the server reads them.
 */
static inline u64 ublk_span_addr(const struct ublk_span_match *match)
{
	return ublk_shmem_zc_addr(match->index, match->first);
}

#endif
