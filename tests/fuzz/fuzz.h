/*
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput; with --enable-fuzz
 * libFuzzer's main drives it, otherwise replay.c, which runs it over files: so that the corpora are a
 * regression test in every build.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the code under test; a crash is what libFuzzer understands. */
#define FUZZ_CHECK(expr)                                                                                     \
	do {                                                                                                 \
		if (!(expr)) {                                                                               \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expr);            \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#endif
