/* See mem.h. A thin shell over malloc: glibc's allocator is good enough until a profile says otherwise. */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static void
panic(void)
{
	assert_panic("out of memory");
}

void (*mem_exhausted)(void) = panic;

static void *
checked(void *p)
{
	if (p == NULL)
		mem_exhausted();
	return p;
}

void *
mem_alloc(size_t size)
{
	return checked(malloc(size == 0 ? 1 : size));
}

void *
mem_zalloc(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return checked(calloc(n, size));
}

void *
mem_realloc(void *p, size_t size)
{
	return checked(realloc(p, size == 0 ? 1 : size));
}

char *
mem_strndup(const void *s, size_t len)
{
	char *p = mem_alloc(len + 1);

	if (len > 0)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

void
mem_free(void *p)
{
	free(p);
}
