/*
 * runtime_link: one runtime process: what is asked of it, and what it asks.
 *
 * A request is answered once: by the runtime, or as LOST when it ends first. Payloads are bytes of
 * a process that user code runs in: they are relayed, never parsed.
 */
#ifndef SALLYPORT_SUPERVISOR_RUNTIME_LINK_H
#define SALLYPORT_SUPERVISOR_RUNTIME_LINK_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#include <sys/types.h>

#define RUNTIME_REQUESTS_MAX 4096u /* unanswered requests of one runtime */

struct runtime_link;

enum runtime_reply { RUNTIME_REPLY_OK, RUNTIME_REPLY_ERROR, RUNTIME_REPLY_LOST };

/* payload (lent): JSON, or the sentence. */
typedef void (*runtime_reply_fn)(void *arg, enum runtime_reply reply, struct span payload);

struct runtime_kv {
    struct span call;
    struct span op;
    struct span ns;
    struct span key;
    struct span value;
    struct span options;
};

/* What code asks of a sandbox (docs/control.md, RUNTIME_CONTAINER). */
#define RUNTIME_CONTAINER_FIELDS 8u
struct runtime_container {
    struct span call;
    struct span id;
    struct span op;
    struct span fields[RUNTIME_CONTAINER_FIELDS];
};

struct runtime_object_ask {
    struct span call;
    struct span id;
    struct span class_name; /* empty: this end named the id */
    struct span name;       /* or empty */
};

struct runtime_alarm {
    struct span call;
    struct span id;
    struct span op;   /* set, get, delete */
    struct span time; /* decimal ms since 1970, or empty */
};

/* All spans are lent until the callback returns. */
struct runtime_events {
    void (*ready)(void *arg, struct span app_facts);
    /* Persist, then runtime_link_state_done. */
    void (*state)(void *arg, struct span call, struct span id, struct span state);
    void (*kv)(void *arg, const struct runtime_kv *kv); /* then runtime_link_kv_done */
    /* Then runtime_link_object_done. */
    void (*object)(void *arg, const struct runtime_object_ask *o);
    void (*container)(void *arg, const struct runtime_container *c); /* then _container_done */
    void (*alarm)(void *arg, const struct runtime_alarm *a); /* then runtime_link_alarm_done */
    void (*event)(void *arg, struct span id, struct span lines);
    void (*log)(void *arg, struct span id, struct span level, struct span text);
    /* Last callback; unanswered requests were told LOST before. */
    void (*ended)(void *arg, const char *why);
};

struct runtime_app {
    const char *name;
    struct span json;
    int bundle_fd; /* lent */
    int map_fd;
};

struct runtime_instance {
    struct span id;
    struct span class_name;
    struct span name; /* what the id was made of, or empty */
    struct span options;
    struct span state;
    int gate; /* lent */
};

/* Starts the program. Secrets go to it before runtime_link_begin sends START. */
int runtime_link_start(struct loop *loop, const char *name, const struct runtime_events *events,
                       void *arg, struct runtime_link **out, struct error *err);
bool runtime_link_begin(struct runtime_link *r, const struct runtime_app *app);

/* Each may answer LOST from inside when it cannot be sent. fn may be NULL. */
void runtime_link_secret(struct runtime_link *r, struct span name, struct span value, bool put,
                         runtime_reply_fn fn, void *arg);
void runtime_link_add(struct runtime_link *r, const struct runtime_instance *i, runtime_reply_fn fn,
                      void *arg);
void runtime_link_remove(struct runtime_link *r, struct span id, runtime_reply_fn fn, void *arg);
/* The sandbox has ended, the object stays. */
void runtime_link_ended(struct runtime_link *r, struct span id, int status, struct span sentence,
                        runtime_reply_fn fn, void *arg);
/* The agent of a sandbox is ready. again: it was so before this runtime took over. */
bool runtime_link_started(struct runtime_link *r, struct span id, bool again);
void runtime_link_call(struct runtime_link *r, struct span id, struct span method,
                       struct span arguments, runtime_reply_fn fn, void *arg);
void runtime_link_check(struct runtime_link *r, struct span id, struct span method, struct span url,
                        runtime_reply_fn fn, void *arg);
void runtime_link_name(struct runtime_link *r, struct span class_name, struct span name,
                       runtime_reply_fn fn, void *arg);
void runtime_link_deploy(struct runtime_link *r, const struct runtime_app *app, runtime_reply_fn fn,
                         void *arg);
struct runtime_fire {
    struct span kind; /* alarm, scheduled */
    struct span id;
    struct span class_name;
    struct span name;
    struct span detail; /* JSON */
};
void runtime_link_fire(struct runtime_link *r, const struct runtime_fire *fire, runtime_reply_fn fn,
                       void *arg);
bool runtime_link_front(struct runtime_link *r, int gate);
bool runtime_link_process(struct runtime_link *r, struct span id, uint32_t process, const char *how,
                          int number);
bool runtime_link_gate(struct runtime_link *r, struct span id, int gate);

void runtime_link_state_done(struct runtime_link *r, struct span call, bool ok,
                             struct span sentence);
/* outcome is "ok", "none" or "error". */
void runtime_link_kv_done(struct runtime_link *r, struct span call, struct span outcome,
                          struct span payload, struct span metadata);

struct runtime_object {
    struct span state; /* JSON or empty */
    struct span options;
    struct span class_name;
    struct span name;
};
/* NULL: refused, with the sentence. */
void runtime_link_object_done(struct runtime_link *r, struct span call,
                              const struct runtime_object *object, struct span sentence);
/* fds are lent: duplicated. */
void runtime_link_container_done(struct runtime_link *r, struct span call, bool ok,
                                 struct span payload, const int *fds, size_t fd_count);
void runtime_link_alarm_done(struct runtime_link *r, struct span call, bool ok, struct span text);

/* The asker of these has gone: their replies are dropped. */
void runtime_link_forget(struct runtime_link *r, void *arg);

pid_t runtime_link_pid(const struct runtime_link *r); /* 0 when there is none */
void runtime_link_kill(struct runtime_link *r);       /* its end is told; NULL is allowed */
/* Ends it; unanswered requests are told LOST. NULL is allowed, also inside a callback. */
void runtime_link_destroy(struct runtime_link *r);

#endif
