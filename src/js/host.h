/*
 * js/host: what the JavaScript room asks of the runtime. One constant table of functions; `arg` is
 * what js_load was given. A callback runs inside a turn of JavaScript: it does not block, and it
 * calls no js_* function. Spans it is handed are lent until it returns; spans it returns are
 * copied before another callback is made.
 *
 * Header text, both ways: `name LF value LF` for each field, bytes as on the wire (Latin-1). Names
 * are RFC 9110 tokens and values hold no CR, LF, NUL or other control byte but HTAB: the room
 * guarantees it for what it hands out, the host for what it hands in.
 *
 * A *change log* is the same with an operation in front of each field: `+` append, `=` set (every
 * spelling of that name is replaced), `-` delete (the value is empty). Read it by js_change_next.
 */
#ifndef SALLYPORT_JS_HOST_H
#define SALLYPORT_JS_HOST_H

#include "base/buf.h"
#include "base/source.h"
#include "base/span.h"

/* The list of fields is: that of the base (or empty, when `replace`), then the log applied. */
struct js_changes {
    bool replace;
    struct span log;
};

struct js_change {
    char op; /* '+', '=' or '-' */
    struct span name;
    struct span value;
};

/* Takes the next change off the front of *log; false at the end. */
bool js_change_next(struct span *log, struct js_change *out);

enum js_body_kind {
    JS_BODY_NONE,
    JS_BODY_REQUEST,  /* the untouched body of the request of task `id`, if it has one */
    JS_BODY_RESPONSE, /* the untouched body of the response of fetch `id`: the fetch is given,
                         and its id is free at once */
    JS_BODY_BYTES,    /* bytes, lent */
    JS_BODY_SOURCE,   /* source, given: a stream that JavaScript produces; closed by the host */
};

struct object_db; /* store/object.h */

struct js_body {
    enum js_body_kind kind;
    uint32_t id;
    struct span bytes;
    struct source *source;
};

/* What code asks of a sandbox; op and args are those of docs/control.md ("RUNTIME_CONTAINER"). */
struct js_container {
    uint32_t call; /* answered by js_container_done */
    uint32_t task;
    void *owner;          /* the instance whose sandbox it is */
    struct span op;       /* "start", "run", "signal", "session", "processes", "logs", "forget",
                             "stop", "destroy" */
    struct span args;     /* JSON object */
    struct js_body input; /* of "run": what is written to the process's standard input, then its
                             end; kind NONE: /dev/null */
};

enum js_redirect { JS_REDIRECT_FOLLOW, JS_REDIRECT_MANUAL, JS_REDIRECT_ERROR };

/* A fetch with a base takes from the base's request what is not given here. */
struct js_fetch {
    uint32_t fetch;     /* its id, free until now */
    uint32_t task;      /* whose work it is */
    uint32_t base;      /* task whose request it starts from, or 0 */
    struct span method; /* ptr NULL: the base's */
    struct span url;    /* ptr NULL: the base's; else a serialised http(s) URL without fragment */
    struct js_changes headers;
    struct js_body body;
    enum js_redirect redirect;
    void *sandbox; /* owner of an instance: the request goes to a server inside its sandbox, on
                      loopback and this port, past no policy; NULL: to the world */
    uint16_t port;
};

enum js_result_kind { JS_RESULT_RESPONSE, JS_RESULT_ERROR };

struct js_result {
    enum js_result_kind kind;
    struct span error; /* ERROR: message and stack for the log, never for the client */
    uint16_t status;   /* RESPONSE: 200..599, or 101 never; always filled */
    uint32_t base;     /* fetch whose headers it starts from, or 0; still open during the call */
    struct js_changes headers;
    struct js_body body;
    bool more; /* the task goes on after its result (waitUntil): it is over at host->over */
};

#define JS_ALARM_GET    (-1)
#define JS_ALARM_DELETE (-2)

enum js_kv_op { JS_KV_GET, JS_KV_PUT, JS_KV_DELETE, JS_KV_LIST };

struct js_kv {
    uint32_t call; /* answered by js_kv_done */
    uint32_t task;
    enum js_kv_op op;
    struct span namespace_id;
    struct span key; /* UTF-8; for list the prefix */
    struct span value;
    struct span options; /* JSON object or empty: expirationTtl, expiration, metadata; list: limit,
                            cursor */
};

enum js_log_level { JS_LOG_ERROR, JS_LOG_WARN, JS_LOG_INFO, JS_LOG_DEBUG };

struct js_host {
    /* Facts of the request of a running task, asked when a handler first reads them. */
    struct span (*request_method)(void *arg, uint32_t task);
    struct span (*request_url)(void *arg, uint32_t task); /* absolute, canonical */
    bool (*request_has_body)(void *arg, uint32_t task);
    bool (*request_headers)(void *arg, uint32_t task, struct buf *out); /* header text, with Host */
    struct source *(*request_body)(void *arg, uint32_t task); /* given; NULL: none, or taken */

    /* Facts of a fetch whose head is there. */
    struct span (*response_url)(void *arg, uint32_t fetch); /* after redirects */
    bool (*response_headers)(void *arg, uint32_t fetch, struct buf *out);
    struct source *(*response_body)(void *arg, uint32_t fetch); /* given; NULL: none, or taken */

    /* Starts a fetch; false: it could not (then nothing follows; the body is over, be it a source
     * or another fetch's). It ends by exactly one of: js_fetch_failed; fetch_close; its body given
     * back as JS_BODY_RESPONSE. A source that response_body gave is closed by the room before. */
    bool (*fetch)(void *arg, const struct js_fetch *f);
    void (*fetch_close)(void *arg, uint32_t fetch); /* at any time, head there or not */

    void (*done)(void *arg, uint32_t task, const struct js_result *res);
    /* error.ptr NULL: result is JSON ("null" for undefined). */
    void (*call_done)(void *arg, uint32_t task, struct span result, struct span error);

    /* A task has done its work: of a result that said `more`, and always after call_done (at once
     * when nothing is left to wait for). Its id is free. Not called for a task that was aborted. */
    void (*over)(void *arg, uint32_t task);

    void (*kv)(void *arg, const struct js_kv *kv);

    /* Code uses an object of an exported class that is not here yet: the host fetches what is
     * stored of it, makes it by js_instance_create and answers js_object_done. name may be empty.
     */
    void (*object)(void *arg, uint32_t call, struct span class_name, struct span id,
                   struct span name);
    /* The id that a name has in a class, 64 hex digits and NUL; name.ptr NULL: a new unique one.
     * false: no such class. object_id_is: was this id made for that class? Both at once. */
    bool (*object_id)(void *arg, struct span class_name, struct span name, char out[65]);
    bool (*object_id_is)(void *arg, struct span class_name, struct span id);
    /* An instance's own storage, opened when first asked for; lent as long as the instance. NULL:
     * it could not be opened, *why (lent until the next call) says why. */
    struct object_db *(*storage)(void *arg, void *owner, struct span *why);
    /* time_ms since 1970 sets; ALARM_GET asks; ALARM_DELETE removes. Answered by js_alarm_done. */
    void (*alarm)(void *arg, uint32_t call, void *owner, int64_t time_ms);
    void (*container)(void *arg, const struct js_container *c);
    /* One of the setters of an instance, from code; answered by js_policy_done. args is a JSON
     * array, facts what the instance's properties are now (as js_instance_create gave them). */
    void (*policy_set)(void *arg, uint32_t call, void *owner, struct span method, struct span args,
                       struct span facts);

    struct span (*secret)(void *arg, struct span name); /* ptr NULL: gone */
    /* owner NULL: not of one instance. Text is UTF-8, may hold newlines, at most 16 KiB. */
    void (*log)(void *arg, void *owner, enum js_log_level level, struct span text);
};

#endif
