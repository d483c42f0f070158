/* The limit on open descriptors, which bounds how many clients a node can hold. */
#ifndef IO_FDLIMIT_H
#define IO_FDLIMIT_H

#include <stdint.h>

/* Raises the soft limit to the hard one, where the kernel lets us; returns the limit that holds then. */
uint64_t fdlimit_raise(void);

#endif
