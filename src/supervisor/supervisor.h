/*
 * supervisor: what one `run` holds together. The members are objects of their own; this is the
 * place where they are wired, and nothing else.
 */
#ifndef SALLYPORT_SUPERVISOR_SUPERVISOR_H
#define SALLYPORT_SUPERVISOR_SUPERVISOR_H

#include "config/spec.h"
#include "loop/loop.h"
#include "store/store.h"
#include "supervisor/events.h"
#include "supervisor/instance.h"
#include "supervisor/runtimes.h"
#include "supervisor/vault.h"
#include "supervisor/stdfds.h"

#define EXIT_OURS 125 /* sallyport itself failed */

struct control;
struct isolate_guard;
struct dev_vars;

struct supervisor {
    struct loop *loop;
    struct spec *spec;
    struct runtime_app app;
    struct vault secrets;
    struct dev_vars *dev_vars; /* NULL: there is no such file */
    struct loop_timer *warm;   /* until the spare runtime is started */
    struct store *store;
    struct events *events;
    struct runtimes *runtimes;
    struct control *control;
    struct instance *instance;   /* NULL before it is started */
    struct isolate_guard *guard; /* NULL: no repository in a bind */
    char guard_said[512];        /* what it saw, empty when nothing */
    char started[40];            /* RFC 3339 */

    struct stdio stdio;
    struct loop_signal *signals[8];
    int user_ns;
    int net_ns;
    int status; /* of the process, once the loop stops */
};

/* Runs the command of s->spec; returns the exit status. */
int supervisor_run(struct supervisor *s);
/* Judges the URLs of s->spec, prints a line each; returns the exit status. */
int supervisor_check(struct supervisor *s);

/* Hardens this process, reads the spec (fd given). On failure says why on stderr: EXIT_OURS. */
int supervisor_open(struct supervisor *s, int spec_fd);
void supervisor_close(struct supervisor *s);

struct runtime_app supervisor_app(const struct spec *spec);

#endif
