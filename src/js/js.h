/*
 * js: the room of JavaScript. It runs the handlers of one app; it knows no network, no policy and
 * no store: those are the host's (js/host.h), which it asks and which tells it results.
 *
 * One process has one engine (js_start). One deployed bundle is one js_version with a heap of its
 * own; its classes become instances. A *task* is one entry of the host's: a request for a handler
 * or a call of a method. Fetches, KV calls and timers belong to a task and end with it.
 *
 * Everything here runs on the loop's thread. None of these functions may be called from inside a
 * host callback: the callback notes the fact and acts from the loop. Only js_turn_started_ns may be
 * called from another thread.
 *
 *   task:   js_dispatch/js_call --> running --host->done/call_done--> over
 *           running --js_task_abort--> over, no done is called
 *   With a JS_BODY_SOURCE in its result a task is over when that source is closed. Its id may be
 *   used again once it is over.
 */
#ifndef SALLYPORT_JS_JS_H
#define SALLYPORT_JS_JS_H

#include "base/buf.h"
#include "base/error.h"
#include "js/host.h"
#include "loop/loop.h"

#define JS_TASKS_MAX       65535u /* ids of tasks are 1..JS_TASKS_MAX; 0 is no task */
#define JS_FETCHES_MAX     65535u /* ids of fetches are 1..JS_FETCHES_MAX, chosen by this room */
#define JS_OBJECT_NAME_MAX 1024u  /* bytes of an object's name, of which none is NUL */

/* CPU time that code may take in one turn while it is loaded; a constructor until js_loaded. */
#define JS_LOAD_MS      3000u
#define JS_CONSTRUCT_MS 1000u

struct js;
struct js_version;
struct js_instance;

/* Makes the engine ready: takes JSC_* out of the environment, moves the collector's signal to
 * SIGRTMIN+6, makes the first heap. Threads of the engine exist after it, so it comes before
 * confinement and after every fork. Once per process; it ends with the process. */
struct js *js_start(struct loop *loop, struct error *err);

/* CLOCK_MONOTONIC when the current turn of JavaScript began, 0 when none runs. Any thread. */
uint64_t js_turn_started_ns(void);

struct js_app {
    struct span name;     /* of the app, for messages */
    struct span bundle;   /* CommonJS by esbuild, UTF-8; may be freed after the load */
    struct span map;      /* its source map (JSON), or empty; kept as a copy */
    struct span map_root; /* folder that the map's relative sources are shown below, or empty */
    /* {"vars": {..}, "secrets": [names], "kv": [{"binding","id"}],
     *  "objects": [{"binding","class"}]}; each member may be absent */
    struct span env;
};

/* A handler as the host names it: an index into the version's table. */
#define JS_HANDLER_NONE UINT32_MAX
#define JS_HANDLER_INTERCEPT                                                                        \
    (UINT32_MAX - 1) /* params is the text that interceptOutbound… was given: whose fetch() it is \
                      */
struct js_named {
    struct span name; /* of a named handler, or the host pattern as written */
    uint32_t handler;
};

enum js_class_kind {
    JS_CLASS_SANDBOX, /* extends Container or Sandbox: has a policy, and a sandbox when started */
    JS_CLASS_OBJECT,  /* extends DurableObject: an object without a sandbox */
    JS_CLASS_ENTRYPOINT, /* extends WorkerEntrypoint: made anew for each call, never an instance */
};

/* An exported class; handlers and hosts hold own keys and the parents', in order. */
struct js_class {
    struct span name; /* of the export */
    enum js_class_kind kind;
    struct js_named *handlers; /* outboundHandlers */
    size_t handler_count;
    struct js_named *hosts; /* outboundByHost */
    size_t host_count;
    uint32_t outbound; /* JS_HANDLER_NONE when there is none */
    uint32_t denied;   /* called with (request, info): info is what params carries */
};

/* Evaluates the bundle; the engine warms itself up in the first turns of the loop. On error the
 * text begins with the TypeScript file:line:column where it is known. host is kept by pointer, arg
 * goes to each of its callbacks. Code that runs longer than its limit is stopped, which is an
 * error: here and in js_instance_create, until js_loaded. What does not stop (one native call,
 * microtasks without end) is the host's to end, with the process.
 */
struct js_version *js_load(struct js *js, const struct js_app *app, const struct js_host *host,
                           void *arg, struct error *err);
void js_loaded(struct js_version *v); /* all that belongs to the load is done */
/* Aborts its tasks without a callback, gives its instances back and frees the heap. */
void js_unload(struct js_version *v);

/* Lent until js_unload. */
const struct js_class *js_classes(const struct js_version *v, size_t *count);

/* What `export default` has (an object, or a class that extends WorkerEntrypoint). */
struct js_worker {
    bool fetch;
    bool scheduled;
};
struct js_worker js_worker(const struct js_version *v);

/* No task runs in it but those of its instances, and no promise of waitUntil is open: a version
 * that was replaced may be unloaded. */
bool js_idle(const struct js_version *v);

/* A secret was put or removed: handlers read host->secret anew. */
void js_secret_changed(struct js_version *v, struct span name, bool present);

struct js_instance_spec {
    struct span id;         /* ctx.containerId, ctx.id */
    struct span name;       /* ctx.id.name; empty: none is known */
    struct span class_name; /* one of js_classes */
    uint32_t task; /* of its own: what its code starts belongs to it, until it is destroyed */
    void *owner;   /* goes to the callbacks that name an instance */
    bool running;  /* its sandbox runs already: onStart is not run */
};

/* Runs the class's constructor; what it put off by blockConcurrencyWhile, its events wait for.
 * For JS_CLASS_OBJECT facts are "{}". *facts gets
 * {"allowedHosts": [..]|null, "deniedHosts": [..]|null, "enableInternet": bool,
 *  "interceptHttps": bool, "allowedTcp": [..]|null}; a property of the wrong type is an error. */
struct js_instance *js_instance_create(struct js_version *v, const struct js_instance_spec *spec,
                                       struct buf *facts, struct error *err);
/* How long nothing of it has been under way, in ms: no call, no open promise of waitUntil or
 * blockConcurrencyWhile, no timer, fetch or answer that its own task waits for. 0: something is.
 * Counted from the first look that found it so, which gives 1. An instance without work may be
 * destroyed and made again later; stubs stay good. */
uint64_t js_instance_idle_ms(const struct js_instance *inst);
void js_instance_destroy(struct js_instance *inst); /* its tasks were aborted or are over */

struct js_dispatch {
    uint32_t task;
    uint32_t handler;
    struct js_instance *instance;
    struct span params; /* JSON for ctx.params (for `denied`: info); empty when there is none */
};

/* Runs a handler for the request that the host knows by the task's id. host->done may be called
 * before this returns. */
void js_dispatch(struct js_version *v, const struct js_dispatch *d);

/* Runs the Worker's own fetch() for the request that the host knows by the task's id: the request
 * of a client of ours, not of a sandbox. Answered by host->done. */
void js_serve(struct js_version *v, uint32_t task);

/* Runs scheduled() of the Worker: detail is {"cron","scheduledTime"}. Answered by host->call_done.
 */
void js_scheduled(struct js_version *v, uint32_t task, struct span detail);
/* Runs alarm() of the instance: detail is {"isRetry","retryCount","scheduledTime"}. */
void js_alarm(struct js_instance *inst, uint32_t task, struct span detail);

/* Calls a public method of the instance: own or inherited, not the constructor, no name that
 * begins with "_" or "#". args is a JSON array. Answered by host->call_done, maybe
 * before this returns. */
void js_call(struct js_instance *inst, uint32_t task, struct span method, struct span args);

/* The client went away or the task's time is over: its signal aborts, its fetches are closed. */
void js_task_abort(struct js_version *v, uint32_t task, const char *reason);

struct js_response {
    uint16_t status;
    bool body;       /* false: no body follows (HEAD, 204, 304, or length 0 and none) */
    bool redirected; /* host->response_url differs from what was asked */
};

/* The head of a fetch's response is there; headers are asked for when a handler reads them. */
void js_fetch_done(struct js_version *v, uint32_t fetch, const struct js_response *res);
/* Instead of js_fetch_done: the fetch is over and its id is free. The message becomes a
 * TypeError's. A body that breaks later is told by its source. */
void js_fetch_failed(struct js_version *v, uint32_t fetch, struct span message);

/* ok false: value is the sentence of the error. found false (get): there is no such key.
 * list: value is {"keys":[{"name","expiration"?,"metadata"?}],"list_complete":bool,"cursor"?}. */
struct js_kv_result {
    bool ok;
    bool found;
    struct span value;
    struct span metadata; /* JSON or empty */
};
void js_kv_done(struct js_version *v, uint32_t call, const struct js_kv_result *res);

/* Answers host->object: inst, or NULL and why. */
void js_object_done(struct js_version *v, uint32_t call, struct js_instance *inst, struct span why);

struct js_container_result {
    bool ok;
    struct span value;  /* JSON, or the sentence of the error */
    struct source *out; /* given: of "run" and "logs", standard output; NULL: none */
    struct source *err; /* the same, standard error */
};
void js_container_done(struct js_version *v, uint32_t call, const struct js_container_result *res);
/* A process that "run" started has ended; told after its output sources have been given. how is
 * "exit", "signal", "timeout" or "lost" (the sandbox ended first). */
void js_process_ended(struct js_instance *inst, uint32_t process, struct span how, uint32_t number);
/* The sandbox runs, or has ended (status, or why it could not go on). Runs the class's hooks;
 * anew false: it ran before this object was made (a redeploy, a successor), onStart is not run. */
void js_container_started(struct js_instance *inst, bool anew);
void js_container_ended(struct js_instance *inst, int status, struct span why);

/* ok false: why is the message. time_ms -1: no alarm is set. */
void js_alarm_done(struct js_version *v, uint32_t call, bool ok, int64_t time_ms, struct span why);

/* Answers host->policy_set; error NULL: it holds. Else its text is the message of an Error. */
void js_policy_done(struct js_version *v, uint32_t call, const char *error);

#endif
