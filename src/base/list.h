/*
 * list: a doubly linked list whose nodes stand inside the objects they link.
 */
#ifndef SALLYPORT_BASE_LIST_H
#define SALLYPORT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *l, struct list *node)
{
    node->prev = l->prev;
    node->next = l;
    l->prev->next = node;
    l->prev = node;
}

/* Leaves the node linked to itself, so that removing it again does nothing. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define LIST_FOREACH(pos, head)                                                                    \
    for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

/* The current node may be removed inside the loop. */
#define LIST_FOREACH_SAFE(pos, tmp, head)                                                          \
    for (struct list *pos = (head)->next, *tmp = pos->next; pos != (head);                         \
         pos = tmp, tmp = pos->next)

#endif
