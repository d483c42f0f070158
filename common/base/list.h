/*
 * Intrusive doubly linked list, circular around a head. An element embeds a struct list; the list owns nothing.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The structure that embeds `member` at p. */
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_append(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

static inline void
list_prepend(struct list *head, struct list *e)
{
	list_append(head->next, e);
}

/* Takes e out and leaves it a list of its own, so removing twice is harmless. */
static inline void
list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* First element, or NULL. */
static inline struct list *
list_first(const struct list *head)
{
	return head->next == head ? NULL : head->next;
}

#define list_for_each(e, head) for (struct list *e = (head)->next; e != (head); e = e->next)
/* The body may remove e. */
#define list_for_each_safe(e, head)                                                                          \
	for (struct list *e = (head)->next, *e##_next = e->next; e != (head);                                \
	     e = e##_next, e##_next = e->next)

#endif
