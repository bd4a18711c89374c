// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums and tuples of protection information: see pi.h.
 *
 * It computes bit by bit, which is slow; uapi_integrity.c compares with
 * published check values.
 */
#define _GNU_SOURCE
#include <string.h>
#include "pi.h"

/* CRC-64/NVME: reflected, all ones before and after. */
__u64 pi_crc64(__u64 crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	int bit;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x9a6c9329ac4bc9b5ULL : 0);
	}
	return ~crc;
}

/* CRC-16/T10-DIF: not reflected, no inversion. */
__u16 pi_crc16(__u16 crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	int bit;

	while (len--) {
		crc ^= *p++ << 8;
		for (bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0);
	}
	return crc;
}

/* Sum of 16-bit words in memory order; @len is even. */
static __u32 ip_sum(__u32 sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	__u16 word;

	for (; len; len -= 2, p += 2) {
		memcpy(&word, p, 2);
		sum += word;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

int pi_tuple_size(const struct ublk_param_integrity *p)
{
	switch (p->csum_type) {
	case PI_IP:
	case PI_T10:
		return 8;
	case PI_NVME:
		return 16;
	}
	return 0;
}

/* Metadata that belongs to @len bytes of data. */
size_t pi_bytes(const struct ublk_param_integrity *p, size_t len)
{
	return (len >> p->interval_exp) * p->metadata_size;
}

static void put_be(unsigned char *to, __u64 value, int bytes)
{
	while (bytes--) {
		to[bytes] = value;
		value >>= 8;
	}
}

/* Make the tuple of one interval; @front is the metadata before the tuple. */
static void make_tuple(const struct ublk_param_integrity *p, const void *data,
		       __u64 ref, const void *front, unsigned char *tuple)
{
	size_t len = 1UL << p->interval_exp;
	__u16 guard;

	memset(tuple, 0, 16);
	switch (p->csum_type) {
	case PI_IP:
		guard = ~ip_sum(ip_sum(0, data, len), front, p->pi_offset);
		memcpy(tuple, &guard, 2);
		put_be(tuple + 4, ref, 4);
		break;
	case PI_T10:
		put_be(tuple, pi_crc16(pi_crc16(0, data, len), front,
				       p->pi_offset), 2);
		put_be(tuple + 4, ref, 4);
		break;
	case PI_NVME:
		put_be(tuple, pi_crc64(pi_crc64(0, data, len), front,
				       p->pi_offset), 8);
		put_be(tuple + 10, ref, 6);
		break;
	}
}

/*
 * Fill the tuples in @meta for @len bytes whose first interval has the
 * reference tag @ref. Metadata around the tuples is not changed.
 */
void pi_make(const struct ublk_param_integrity *p, const void *data,
	     size_t len, __u64 ref, void *meta)
{
	size_t i, n = len >> p->interval_exp;
	unsigned char tuple[16], *m = meta;

	for (i = 0; i < n; i++, m += p->metadata_size) {
		make_tuple(p, (const char *)data + (i << p->interval_exp),
			   ref + i, m, tuple);
		memcpy(m + p->pi_offset, tuple, pi_tuple_size(p));
	}
}

/*
 * The first interval with a wrong tuple, or -1. The reference tag is checked if
 * the profile has one, the application tag never.
 */
int pi_bad(const struct ublk_param_integrity *p, const void *data, size_t len,
	   __u64 ref, const void *meta)
{
	size_t i, n = len >> p->interval_exp, size = pi_tuple_size(p);
	int guard = p->csum_type == PI_NVME ? 8 : 2;
	const unsigned char *m = meta, *t;
	unsigned char tuple[16];

	for (i = 0; i < n; i++, m += p->metadata_size) {
		if (!size)
			continue;
		make_tuple(p, (const char *)data + (i << p->interval_exp),
			   ref + i, m, tuple);
		t = m + p->pi_offset;
		if (memcmp(t, tuple, guard))
			return i;
		if (p->flags & PI_REF_TAG &&
		    memcmp(t + guard + 2, tuple + guard + 2, size - guard - 2))
			return i;
	}
	return -1;
}
