/*
 * supervisor: what one `run`, one `up` or one `check` holds together. The members are objects of
 * their own; this is the place where they are wired, and nothing else.
 */
#ifndef SALLYPORT_SUPERVISOR_SUPERVISOR_H
#define SALLYPORT_SUPERVISOR_SUPERVISOR_H

#include "config/spec.h"
#include "loop/loop.h"
#include "store/store.h"
#include "supervisor/alarms.h"
#include "supervisor/container.h"
#include "supervisor/crontab.h"
#include "supervisor/events.h"
#include "supervisor/fleet.h"
#include "supervisor/front.h"
#include "supervisor/runtimes.h"
#include "supervisor/state_lock.h"
#include "supervisor/stdfds.h"
#include "supervisor/vault.h"

#define EXIT_OURS 125 /* sallyport itself failed */

struct control;
struct isolate_guard;
struct dev_vars;
struct uids;
struct up;

struct supervisor {
    struct loop *loop;
    struct spec *spec;
    struct runtime_app app; /* what a runtime that starts now is given */
    unsigned deploys;       /* how many apps there have been, the first counted */
    struct vault secrets;
    struct dev_vars *dev_vars; /* NULL: there is no such file */
    struct loop_timer *warm;   /* until the spare runtime is started */
    struct store *store;
    struct events *events;
    struct runtimes *runtimes;
    struct control *control;
    struct fleet *fleet;
    struct containers *containers;
    struct alarms *alarms;
    struct uids *uids; /* NULL: not started by root */
    int user_ns;       /* empty namespaces that every sidecar enters */
    int net_ns;
    struct loop_signal *signals[8];
    int status; /* of the process, once the loop stops */

    /* SPEC_RUN */
    struct stdio stdio;
    struct member_wait main;     /* the one start */
    struct isolate_guard *guard; /* NULL: no repository in a bind */
    char guard_said[512];        /* what it saw, empty when nothing */
    char *own_dir;               /* removed at the end; NULL: nothing, or kept */

    /* SPEC_UP */
    struct up *up;
};

/* Runs the command of s->spec; returns the exit status. */
int supervisor_run(struct supervisor *s);
/* The daemon: until SIGTERM or SIGINT; returns the exit status. */
int supervisor_up(struct supervisor *s);
/* Judges the URLs of s->spec, prints a line each; returns the exit status. */
int supervisor_check(struct supervisor *s);

/* Hardens this process, reads the spec (fd given). On failure says why on stderr: EXIT_OURS. */
int supervisor_open(struct supervisor *s, int spec_fd);
void supervisor_close(struct supervisor *s);

struct runtime_app supervisor_app(const struct spec *spec);
/* What `run` and `up` have in common: objects, control socket, runtimes. */
int supervisor_serve(struct supervisor *s, const struct fleet_events *events, struct error *err);
/* The empty namespaces of the sidecars; .dev.vars is watched from here on. */
int supervisor_namespaces(struct supervisor *s, struct error *err);
/* What is edited in spec->dev_vars rotates. */
void supervisor_dev_vars_watch(struct supervisor *s);
/* Another file is the one, or none; path is given. */
void supervisor_dev_vars_move(struct supervisor *s, char *path);
/* Says why and ends the loop. */
void supervisor_fail(struct supervisor *s, int status, const char *why);

#endif
