/*
 * exchange: one HTTP request of a sandbox, or of a client at the front, from its head to the end of
 * its response.
 *
 *     opened ──refused/denied──────────► answered by us ─┐
 *        ├────allowed──► upstream ──head──► relayed ─────┼─► responded ──body of the request is
 *        └────handler──► JavaScript ─done─► relayed ─────┘               through──► gone
 *          (front: always)
 *     any ──the stream or the gate is gone──► gone
 *
 * The functions that end in a * below may free the exchange: it is not touched after them.
 */
#ifndef SALLYPORT_RUNTIME_EXCHANGE_H
#define SALLYPORT_RUNTIME_EXCHANGE_H

#include "runtime/door.h"
#include "runtime/fields.h"
#include "runtime/flow.h"
#include "runtime/inbound.h"
#include "runtime/instance.h"
#include "runtime/relay.h"

struct exchange {
    struct flow flow;        /* first */
    uint32_t task;           /* of JavaScript; 0: none */
    struct version *version; /* of the task */
    bool handled;            /* JavaScript runs for it and has not answered */
    bool more;               /* it answered, and goes on (waitUntil) */
    bool head_sent;
    bool out_ended;
    bool held;            /* not to be freed now */
    bool dead;            /* to be freed when it is not held any more */
    bool is_head;         /* the method is HEAD */
    bool empty_body;      /* Content-Length: 0 */
    uint64_t deadline_ms; /* of the handler, monotonic; 0: none */
    uint32_t fetches;     /* of its handler, under way */
    struct span method;
    struct span target;
    struct gate_header *headers; /* one piece of memory with all the spans point to */
    size_t header_count;
    struct inbound *inbound; /* NULL: no body */
    struct upstream_fetch *up;
    struct relay relay;
    struct buf secrets; /* names an inject rule used */
    struct span url;    /* built when a handler first reads it; owned */
};

/* The gate's events for streams of HTTP. */
void exchange_request(struct door *door, uint32_t stream, const struct gate_request *req); /* * */
void exchange_data(struct exchange *ex, struct span bytes);                                /* * */
void exchange_end(struct exchange *ex);                                                    /* * */
void exchange_writable(struct exchange *ex);                                               /* * */
/* The stream is gone. error is the word for the audit. */
void exchange_cut(struct exchange *ex, const char *error); /* * */

/* ---- for those that answer ---- */

struct answer {
    uint16_t status;
    bool close;
    const char *text;     /* one line, without its end */
    const char *error;    /* value of sallyport-error; NULL: none */
    struct span decision; /* value of sallyport-decision; empty: none */
};

void exchange_answer(struct exchange *ex, const struct answer *a); /* * */
/* The answer for a failure upstream. */
void exchange_upstream_failed(struct exchange *ex, enum upstream_failure f,
                              const char *why); /* * */
/* 500 with an id; text is the log's alone. */
void exchange_handler_failed(struct exchange *ex, struct span text); /* * */

struct exchange_response {
    struct gate_response head; /* `end` is set from body */
    struct source *body;       /* given; NULL: none follows */
    bool direct;               /* as in relay.h */
    bool trailers;             /* body is one of upstream's */
};
void exchange_respond(struct exchange *ex, const struct exchange_response *res); /* * */

/* Whose it is, for the log; empty at the front. */
static inline struct span exchange_instance(const struct exchange *ex)
{
    return ex->flow.door->inst != NULL ? span_str(ex->flow.door->inst->id) : span_of("", 0);
}

/* Native pass-through. */
void forward_start(struct exchange *ex); /* * */

/* Runs the handler of a verdict. */
void handler_start(struct exchange *ex, const struct policy_verdict *v); /* * */
/* `static denied` of the class. false: it has none. */
bool handler_denied(struct exchange *ex, const struct policy_verdict *v); /* * when true */
/* js_host.done */
void handler_done(struct exchange *ex, const struct js_result *res); /* * */
/* The exchange goes: what runs for it is aborted, unless it has answered and goes on. cut: the
 * client left in the middle of the answer. */
void handler_leave(struct exchange *ex, bool cut);
/* js_host.over */
void handler_over(struct exchange *ex);
/* Something it waited for came: its time begins anew. */
void handler_progress(struct exchange *ex);
/* The absolute URL as a handler sees it; lent as long as the exchange. */
struct span exchange_url(struct exchange *ex);
/* The request of a client of ours: the Worker's own fetch(). */
void handler_serve(struct exchange *ex); /* * */
/* Its version goes: 503 if nothing was answered yet. */
void handler_stop(struct exchange *ex); /* * */
/* Twice a second. */
void handler_clock(struct exchange *ex, uint64_t now_ms); /* * */

#endif
