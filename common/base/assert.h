/*
 * Assertions that stay on in production. They guard against our own errors only: what a client, peer, disk or
 * sibling sent is never asserted but checked and refused. A failed assertion ends the daemon; its supervisor
 * restarts it from what is durable.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#define ASSERT(expr) ((expr) ? (void)0 : assert_failed(#expr, __FILE__, __LINE__))

/* Writes one line to standard error and aborts. */
_Noreturn void assert_failed(const char *expr, const char *file, int line);

/* The same for a reason that is no expression, such as memory that is used up. */
_Noreturn void assert_panic(const char *reason);

#endif
