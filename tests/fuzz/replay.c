/* Runs a fuzz target over the files named on its command line, for builds without libFuzzer. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

static int
replay(const char *path)
{
	/* exactly as large as the input, so that a sanitizer sees each byte read beyond it */
	uint8_t *whole = malloc(FILE_MAX), *data;
	FILE *f = fopen(path, "rb");

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(whole);
		return 1;
	}
	size_t n = fread(whole, 1, FILE_MAX, f);
	fclose(f);
	data = malloc(n == 0 ? 1 : n);
	memcpy(data, whole, n);
	free(whole);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	printf("%d inputs\n", argc - 1);
	return failed;
}
