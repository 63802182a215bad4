/*
 * js/engine: what the files of this room share. Not for other rooms.
 *
 * A *turn* is one outermost call into the engine; its microtasks have run when it returns. All
 * turns go through js_enter, which stamps the clock that the watchdog reads. Natives, which
 * JavaScript calls, stand in natives.h.
 */
#ifndef SALLYPORT_JS_ENGINE_H
#define SALLYPORT_JS_ENGINE_H

#include "base/list.h"
#include "js/js.h"

#include <JavaScriptCore/JavaScript.h>

/* Exported by the library, absent from its headers. A native that calls the engine often holds the
 * lock meanwhile: each call takes and gives it back otherwise. */
extern void JSLock(JSContextRef ctx);
extern void JSUnlock(JSContextRef ctx);

#define JS_TEXT_MAX                                                                                \
    (128u * 1024u * 1024u)       /* bytes of one string or body that crosses the border            \
                                  */
#define JS_LOG_MAX (16u * 1024u) /* bytes of one log text */
#define JS_CHUNK   (64u * 1024u) /* bytes that one read of a body asks for */

/* Functions that the shim exports, in the order in which its entry list has them (core.js). */
enum js_entry {
    ENTRY_ENV,
    ENTRY_MODULE,
    ENTRY_LOADED,
    ENTRY_CLASSES,
    ENTRY_REJECTION,
    ENTRY_WARM,
    ENTRY_DISPATCH,
    ENTRY_CALL,
    ENTRY_ABORT,
    ENTRY_ABORT_ALL,
    ENTRY_FETCH_DONE,
    ENTRY_FETCH_FAILED,
    ENTRY_KV_DONE,
    ENTRY_POLICY_DONE,
    ENTRY_SECRET,
    ENTRY_TIMER,
    ENTRY_BODY_READY,
    ENTRY_STREAM_PULL,
    ENTRY_STREAM_CLOSED,
    ENTRY_INSTANCE_CREATE,
    ENTRY_INSTANCE_DESTROY,
    ENTRY_INSTANCE_IDLE,
    ENTRY_IDLE,
    ENTRY_SERVE,
    ENTRY_SCHEDULED,
    ENTRY_ALARM,
    ENTRY_OBJECT_DONE,
    ENTRY_JOB,
    ENTRY_CONTAINER_DONE,
    ENTRY_PROCESS_ENDED,
    ENTRY_CONTAINER_STARTED,
    ENTRY_CONTAINER_ENDED,
    ENTRY_ALARM_DONE,
    ENTRY_COUNT
};

struct js {
    struct loop *loop;
    struct js_pump *pump;
};

/* Things that JavaScript names by a number from 1 on. */
struct js_table {
    void **slots;
    uint32_t cap;
    uint32_t free_hint;
};
uint32_t js_table_add(struct js_table *t, void *item); /* 0: memory is out */
void *js_table_get(const struct js_table *t, uint32_t number);
void js_table_remove(struct js_table *t, uint32_t number);

/* Which ids of tasks or fetches are in use: what JavaScript says of any other goes nowhere. The
 * shim keeps order by itself, but it is JavaScript, in a world that user code may rebuild. */
struct js_ids {
    uint8_t bits[JS_TASKS_MAX / 8 + 1];
};
_Static_assert(JS_TASKS_MAX == JS_FETCHES_MAX, "one kind of set serves both");
bool js_ids_has(const struct js_ids *ids, uint32_t id);
bool js_ids_add(struct js_ids *ids, uint32_t id);    /* false: no such id, or it is there */
bool js_ids_remove(struct js_ids *ids, uint32_t id); /* false: it was not there */

struct js_version {
    struct list node; /* among all versions */
    struct js *js;
    const struct js_host *host;
    void *arg;
    JSContextGroupRef group;
    JSGlobalContextRef ctx;
    JSObjectRef entries[ENTRY_COUNT]; /* protected */
    JSObjectRef native;               /* protected */
    JSObjectRef range_error;          /* the constructor, before user code could replace it */
    char *name;
    struct js_sourcemap *map;
    struct js_table instances; /* struct js_instance */
    struct js_table readers;   /* struct js_reader */
    struct js_table streams;   /* struct js_stream */
    struct js_table queries;   /* struct object_query */
    struct js_ids unanswered;  /* tasks whose result is still to come */
    struct js_ids going;       /* tasks that go on after it: host->over is still to come */
    struct js_ids fetches;     /* that the host has open */
    struct loop_timer *timer;
    uint64_t timer_due_ms; /* when it fires; 0: not set since it last did */
    struct loop_timer *warm_timer;
    struct loop_task jobs; /* runs those that wait (webapi/task.js) */
    unsigned warm_left;    /* slices of the warm-up that are still to run */
    struct buf scratch[4]; /* arguments of one native on their way to the host */
    struct js_class *classes;
    size_t class_count;
    struct js_worker worker;
    bool limit_hit;         /* code was stopped, and nobody has asked yet */
    unsigned limit_ms;      /* that was set last */
    struct buf limit_place; /* where in the user's files; empty: not known */
};

struct js_instance {
    struct js_version *version;
    void *owner;
    uint32_t number;
    struct object_db *storage; /* lent by the host; NULL: not asked for yet */
    uint64_t idle_since_ms;    /* 0: it was at work when last looked at */
    uint64_t idle_events;      /* that it had had then */
};

/* -- pump.c: GLib's loop inside ours, for the engine's own timers -------------------------- */
struct js_pump *js_pump_start(struct loop *loop, struct error *err);
void js_pump_turn(struct js_pump *p); /* a turn of JavaScript is over: look for new timers */

/* -- turn.c -------------------------------------------------------------------------------- */
/* One turn. NULL when the entry threw, which was logged. */
JSValueRef js_enter(struct js_version *v, enum js_entry entry, size_t argc, const JSValueRef *argv);
void js_turn_begin(struct js_version *v);
void js_turn_end(struct js_version *v);
/* The version that a native works for: the turn's, or ctx's own when the engine called by itself
 * (a finalizer, from the pump). */
struct js_version *js_running(JSContextRef ctx);
void js_turn_adopt(struct js_version *v); /* makes js_running find it; leaves by list_remove */
void js_turn_stamp(bool running_now);     /* what js_turn_started_ns tells */
void js_log_exception(struct js_version *v, const char *what, JSValueRef exception);

/* -- tasks.c ------------------------------------------------------------------------------- */
/* A task's one entry. false: the entry failed, and what it began has ended: nothing was answered.
 */
bool js_task_enter(struct js_version *v, uint32_t task, enum js_entry entry, size_t argc,
                   const JSValueRef *argv);
/* The result of a request's task, the first time; any other is dropped with its body. */
void js_task_done(struct js_version *v, uint32_t task, const struct js_result *res);
/* The same of a call's. */
void js_task_call_done(struct js_version *v, uint32_t task, struct span result, struct span error);

/* -- value.c ------------------------------------------------------------------------------- */
JSStringRef js_string_latin1(struct span bytes); /* each byte a character */
JSStringRef js_string_utf8(struct span bytes);   /* ill-formed sequences become U+FFFD */
JSValueRef js_value_latin1(JSContextRef ctx, struct span bytes);
JSValueRef js_value_utf8(JSContextRef ctx, struct span bytes);
/* Appends. false: not a string, over the ceiling, or (latin1) a character above U+00FF. */
bool js_append_latin1(JSContextRef ctx, JSValueRef value, struct buf *out);
bool js_append_utf8(JSContextRef ctx, JSValueRef value, struct buf *out);
/* The same into scratch buffer `slot` of the running version; ptr NULL for undefined and null and
 * on failure, which *ok tells (ok may be NULL). */
struct span js_text_latin1(JSContextRef ctx, JSValueRef value, int slot, bool *ok);
struct span js_text_utf8(JSContextRef ctx, JSValueRef value, int slot, bool *ok);
/* Bytes of a Uint8Array (lent, no JavaScript runs while they are used) or of a string (UTF-8). */
struct span js_text_bytes(JSContextRef ctx, JSValueRef value, int slot, bool *ok);
JSValueRef js_bytes(JSContextRef ctx, struct span bytes); /* a new Uint8Array */
bool js_is_bytes(JSContextRef ctx, JSValueRef value);     /* a Uint8Array */
uint32_t js_uint(JSContextRef ctx, JSValueRef value);     /* 0 when it is no number in range */
double js_double(JSContextRef ctx, JSValueRef value);     /* NAN when it is none within +-2^53 */

enum js_error_kind { JS_ERROR, JS_RANGE_ERROR };
JSValueRef js_throw(JSContextRef ctx, JSValueRef *exception, enum js_error_kind kind,
                    const char *text);

/* An array in the making. Elements do not pass the prototype of arrays, where user code may have
 * put a setter. All of it stands on the stack, where the collector looks. */
struct js_list {
    JSContextRef ctx;
    JSObjectRef array;
    JSValueRef prototype;
    unsigned count;
    bool ok; /* false: memory is out */
};
struct js_list js_list_begin(JSContextRef ctx);
void js_list_add(struct js_list *l, JSValueRef value);
void js_list_set(struct js_list *l, unsigned at, JSValueRef value); /* one that was added */
JSValueRef js_list_end(struct js_list *l); /* the array; NULL: memory is out */

/* -- sourcemap.c --------------------------------------------------------------------------- */
struct js_sourcemap *js_sourcemap_create(struct span json, struct span root);
void js_sourcemap_free(struct js_sourcemap *m);
/* line and column from 1, in the bundle; on true the place in the user's file. */
bool js_sourcemap_find(struct js_sourcemap *m, uint32_t line, uint32_t column, struct buf *out);
/* A stack of the engine's becomes one as node prints it; our own frames are left out. */
void js_stack_map(struct js_sourcemap *m, struct span stack, struct buf *out);
/* Where its innermost frame of the user's is, as file:line:column; false: there is none. */
bool js_stack_place(struct js_sourcemap *m, struct span stack, struct buf *out);

/* -- limit.c ------------------------------------------------------------------------------- */
void js_limit_begin(struct js_version *v, unsigned ms); /* of CPU a turn, until js_loaded */
/* What failed for the limit says so, beginning with the place; otherwise err is as it was. -1. */
int js_limit_error(struct js_version *v, const char *what, struct error *err);

/* -- body.c, exchange.c, stream.c, classes.c ------------------------------------------------ */
void js_jobs_run(void *version); /* a loop task */
void js_readers_close(struct js_version *v);
/* A reader over s, which is given; 0: memory is out, and s was closed. */
uint32_t js_reader_adopt(struct js_version *v, struct source *s);
/* Fills body (zeroed) from its kind and the value that goes with it: an id, bytes or a string
 * (into scratch buffer `slot`), a stream's number. false: it does not fit. */
bool js_body_of(JSContextRef ctx, uint32_t kind, JSValueRef value, int slot, struct js_body *body);
/* The host has the body: a fetch that it was of is over. drop: no host will get it. */
void js_body_given(struct js_version *v, const struct js_body *body);
void js_body_drop(struct js_version *v, const struct js_body *body);
void js_streams_orphan(struct js_version *v);
void js_fetches_close(struct js_version *v); /* those that the shim has left open */
void js_queries_end(struct js_version *v);   /* storage.c */
struct source *js_stream_source(struct js_version *v, uint32_t number); /* given; NULL: none */
void js_classes_free(struct js_version *v);
int js_classes_load(struct js_version *v, struct error *err);

#endif
