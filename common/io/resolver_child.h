/* What resolver.c and its child say to each other: one packet each way, in the memory layout of the one program. */
#ifndef IO_RESOLVER_CHILD_H
#define IO_RESOLVER_CHILD_H

#include <stdint.h>

#include "io/resolver.h"

struct resolver_question {
	uint64_t id;
	char name[RESOLVER_NAME_MAX + 1];
};

struct resolver_address {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t bytes[16];
	uint32_t scope;
};

struct resolver_answer {
	uint64_t id;
	uint32_t n;
	struct resolver_address addresses[RESOLVER_ADDRESSES_MAX];
};

/* The life of the child: answers until the other side is closed. parent is the daemon's pid. */
_Noreturn void resolver_serve(int fd, pid_t parent);

#endif
