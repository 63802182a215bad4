/*
 * container_op: one call of a sandbox, between its parts: its life (container.c), what each kind
 * does (container_ops.c) and what is no call of code (container_command.c). Nobody else includes
 * it.
 */
#ifndef SALLYPORT_SUPERVISOR_CONTAINER_OP_H
#define SALLYPORT_SUPERVISOR_CONTAINER_OP_H

#include "base/buf.h"
#include "supervisor/agent_link.h"
#include "supervisor/container.h"
#include "supervisor/fleet.h"

#define OP_CALL_MAX  24u                  /* bytes of the runtime's number */
#define OP_BYTES_MAX (4u * 1024u * 1024u) /* of its fields */

struct containers {
    struct supervisor *s;
    struct list ops;
};

struct op;

struct op_kind {
    const char *name;
    bool starts; /* the sandbox, when it does not run */
    /* The sandbox runs. Ends by op_ok or op_error, now or later. */
    void (*go)(struct op *op, struct member *m);
    /* Instead, for what needs no sandbox; m may be NULL. */
    void (*any)(struct op *op, struct member *m);
};

struct op {
    struct list node; /* of containers */
    struct containers *all;
    const struct op_kind *kind;
    struct runtime_link *r; /* NULL: it has ended, or never asked */
    char call[OP_CALL_MAX + 1];
    char id[INSTANCE_ID_MAX + 1];
    char *bytes; /* what the fields point into */
    struct span fields[RUNTIME_CONTAINER_FIELDS];
    struct member_wait wait;
    struct member_task task;
    bool answered;
    void (*told)(void *arg, int status, const char *why); /* container_command.h */
    void *told_arg;

    /* run, logs */
    struct agent_link *agent; /* while something of the op is with it */
    uint32_t process;
    struct agent_pipes pipes;
    /* connect */
    int socket;
    struct loop_watch *watch;
};

extern const struct op_kind op_kinds[]; /* ends with name NULL */

/* One that nobody asked for yet; NULL when memory is out. */
struct op *op_new(struct containers *all, struct span id);
/* Answer it. The op is gone afterwards, unless a process of it runs. */
void op_ok(struct op *op, struct span payload, const int *fds, size_t fd_count);
void op_error(struct op *op, const char *why);
/* From now on the end of the sandbox ends it. */
void op_bind(struct op *op, struct member *m);
void op_free(struct op *op);

/* 1 to most, decimal; false else. */
bool op_number(struct span text, uint32_t most, uint32_t *out);

#endif
