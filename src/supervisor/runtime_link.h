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

/* All spans are lent until the callback returns. */
struct runtime_events {
    void (*ready)(void *arg, struct span app_facts);
    /* Persist, then runtime_link_state_done. */
    void (*state)(void *arg, struct span call, struct span id, struct span state);
    void (*kv)(void *arg, const struct runtime_kv *kv); /* then runtime_link_kv_done */
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
void runtime_link_call(struct runtime_link *r, struct span id, struct span method,
                       struct span arguments, runtime_reply_fn fn, void *arg);
void runtime_link_check(struct runtime_link *r, struct span id, struct span method, struct span url,
                        runtime_reply_fn fn, void *arg);
bool runtime_link_gate(struct runtime_link *r, struct span id, int gate);

void runtime_link_state_done(struct runtime_link *r, struct span call, bool ok,
                             struct span sentence);
/* outcome is "ok", "none" or "error". */
void runtime_link_kv_done(struct runtime_link *r, struct span call, struct span outcome,
                          struct span payload, struct span metadata);

/* The asker of these has gone: their replies are dropped. */
void runtime_link_forget(struct runtime_link *r, void *arg);

pid_t runtime_link_pid(const struct runtime_link *r); /* 0 when there is none */
void runtime_link_kill(struct runtime_link *r);       /* its end is told; NULL is allowed */
/* Ends it; unanswered requests are told LOST. NULL is allowed, also inside a callback. */
void runtime_link_destroy(struct runtime_link *r);

#endif
