/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two ways to run a fuzz target. With clang and -DUBLK_LIBFUZZER it is linked
 * to libFuzzer. Otherwise main() here runs it with every file named on the
 * command line, then with generated inputs: the files or random bytes, with
 * some bytes changed. The seed is fixed, so each run has the same inputs.
 *
 * The program aborts at the first failed fuzz_assert() or sanitizer report.
 */
#ifndef UBLK_TEST_FUZZ_H
#define UBLK_TEST_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_assert(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

/* The rest of an input; a read past its end gives zeroes. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

static inline void fuzz_read(struct fuzz_input *in, void *to, size_t size)
{
	size_t n = size < in->size ? size : in->size;

	memset(to, 0, size);
	/* memcpy() from NULL is undefined even for a size of 0 */
	if (n)
		memcpy(to, in->data, n);
	in->data += n;
	in->size -= n;
}

static inline u64 fuzz_u64(struct fuzz_input *in)
{
	u64 value;

	fuzz_read(in, &value, sizeof(value));
	return value;
}

static inline u16 fuzz_u16(struct fuzz_input *in)
{
	u16 value;

	fuzz_read(in, &value, sizeof(value));
	return value;
}

#ifndef UBLK_LIBFUZZER

#define FUZZ_RUNS	200000
#define FUZZ_MAX	512
#define FUZZ_FILES	64

static struct {
	uint8_t data[FUZZ_MAX];
	size_t size;
} fuzz_files[FUZZ_FILES];

static uint64_t fuzz_seed = 0x75626c6b;

/* splitmix64 */
static uint64_t fuzz_random(void)
{
	uint64_t z = fuzz_seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Values at the limits of types find more than random ones, so use both. */
static void fuzz_mutate(uint8_t *data, size_t size)
{
	static const uint64_t edges[] = {
		0, 1, 7, 8, 9, 24, 256, 511, 512, 4095, 4096, 4097, 65535,
		1 << 20, 1 << 25, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 41,
		1ULL << 62, INT64_MAX, UINT64_MAX,
	};
	int changes = 1 + fuzz_random() % 8;

	while (changes-- && size) {
		uint64_t r = fuzz_random();
		size_t len = 1U << (r % 4), at = (r >> 8) % size;
		uint64_t value = edges[(r >> 40) % (sizeof(edges) / 8)];

		if (r & 4)
			value += (r >> 4) % 5 - 2;
		if (r & 8)
			value = fuzz_random();
		if (len > size - at)
			len = size - at;
		memcpy(data + at, &value, len);
	}
}

static void fuzz_load(const char *name, int i)
{
	FILE *f = fopen(name, "rb");

	if (!f) {
		perror(name);
		exit(1);
	}
	fuzz_files[i].size = fread(fuzz_files[i].data, 1, FUZZ_MAX, f);
	fclose(f);
}

/* The input fills its heap block, so ASAN reports a read past its end. */
static void fuzz_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* One generated input: a file or random bytes, with some bytes changed. */
static void fuzz_generate(int nr_files, int run)
{
	uint8_t data[FUZZ_MAX];
	size_t size, i;
	int file;

	if (nr_files && run % 4) {
		file = fuzz_random() % nr_files;
		size = fuzz_files[file].size;
		memcpy(data, fuzz_files[file].data, size);
	} else {
		size = fuzz_random() % FUZZ_MAX;
		for (i = 0; i < size; i++)
			data[i] = fuzz_random();
	}
	fuzz_mutate(data, size);
	fuzz_one(data, size);
}

int main(int argc, char **argv)
{
	int nr_files = 0, run;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..2\n");
	for (; nr_files < argc - 1 && nr_files < FUZZ_FILES; nr_files++) {
		fuzz_load(argv[nr_files + 1], nr_files);
		fuzz_one(fuzz_files[nr_files].data, fuzz_files[nr_files].size);
	}
	printf("# %d files\nok 1 corpus\n", nr_files);

	for (run = 0; run < FUZZ_RUNS; run++)
		fuzz_generate(nr_files, run);
	printf("# %d inputs\nok 2 generated\n", FUZZ_RUNS);
	return 0;
}

#endif
#endif
