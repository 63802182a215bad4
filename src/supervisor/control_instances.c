/* Which instances there are: listed, made, ended. */
#include "supervisor/container_command.h"
#include "supervisor/control_routes.h"
#include "supervisor/exec.h"
#include "supervisor/pem.h"
#include "supervisor/supervisor.h"

#include "base/cleanup.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX     10000u
#define RUNS_WITHOUT "the sandbox runs without it: `sallyport exec` runs a command in it"

static const char *const state_names[] = {
    [MEMBER_STOPPED] = "stopped", [MEMBER_QUEUED] = "starting", [MEMBER_STARTING] = "starting",
    [MEMBER_RUNNING] = "running", [MEMBER_ENDING] = "running",
};

/* Facts and policy are the runtime's own JSON: they are placed, not read. */
static bool raw_member(struct buf *out, const char *name, struct span json)
{
    return buf_appendf(out, ",\"%s\":", name) &&
           (json.len > 0 ? buf_append_span(out, json) : buf_append_str(out, "null"));
}

static json_t *certificate(const struct instance *i)
{
    struct buf pem;
    buf_init(&pem, 16384);
    struct span der = i != NULL ? instance_certificate(i) : SPAN_LIT("");
    json_t *v = der.len > 0 && pem_write(&pem, "CERTIFICATE", der)
                    ? json_stringn(buf_span(&pem).ptr, buf_len(&pem))
                    : json_null();
    buf_free(&pem);
    return v;
}

static json_t *text_or_null(struct span text)
{
    return text.len > 0 ? json_stringn(text.ptr, text.len) : json_null();
}

/* What a `run` is for; what a daemon was asked to start in the background. */
static json_t *command_of(const struct supervisor *s, const struct member *m)
{
    json_t *command = json_array();
    for (size_t at = 0; at < s->spec->argv.count; at++) {
        json_array_append_new(command, json_string(s->spec->argv.items[at]));
    }
    struct span words = m != NULL ? span_of(m->command, m->command_len) : SPAN_LIT("");
    while (words.len > 0) {
        json_array_append_new(command, json_string(words.ptr));
        words = span_from(words, strlen(words.ptr) + 1);
    }
    return command;
}

/* m: NULL when it has no sandbox. */
static json_t *instance_object(const struct supervisor *s, const struct object *object,
                               const struct member *m)
{
    const struct instance *i = m != NULL ? m->instance : NULL;
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(object->id));
    json_object_set_new(o, "name", text_or_null(span_str(object->name)));
    json_object_set_new(o, "class", text_or_null(span_str(object->class_name)));
    json_object_set_new(o, "state",
                        json_string(state_names[m != NULL ? m->state : MEMBER_STOPPED]));
    json_object_set_new(o, "started", i != NULL ? json_string(m->started) : json_null());
    json_object_set_new(o, "command", command_of(s, m));
    json_object_set_new(o, "pid", json_integer(i != NULL ? instance_pid(i) : 0));
    json_object_set_new(o, "sidecar_pid", json_integer(i != NULL ? instance_sidecar_pid(i) : 0));
    json_object_set_new(o, "runtime_pid",
                        json_integer(runtime_link_pid(runtimes_active(s->runtimes))));
    json_object_set_new(o, "ca", certificate(i));
    return o;
}

/* The object without its closing brace, so that raw members can follow. */
static bool instance_write(const struct supervisor *s, const struct object *object,
                           const struct member *m, struct buf *out)
{
    json_t *o = instance_object(s, object, m);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    struct span facts =
        m != NULL && m->instance != NULL ? instance_facts(m->instance) : SPAN_LIT("");
    bool ok =
        text != NULL && buf_append(out, text, strlen(text) - 1) && raw_member(out, "facts", facts);
    free(text);
    return ok;
}

/* ---- list ---- */

struct listing {
    struct call *c;
    bool ok;
    size_t count;
};

static void list_add(struct listing *l, const struct object *object, const struct member *m)
{
    struct buf *out = &l->c->gathered;
    l->ok = l->ok && (l->count++ == 0 || buf_append_str(out, ",")) &&
            instance_write(l->c->s, object, m, out) && buf_append_str(out, "}");
}

static void list_member(void *arg, struct member *m)
{
    struct object o;
    object_of_member(&o, m);
    list_add(arg, &o, m);
}

static void list_stored(void *arg, const struct object *o)
{
    struct listing *l = arg;
    if (fleet_find(l->c->s->fleet, span_str(o->id)) == NULL) {
        list_add(l, o, NULL);
    }
}

static void list(struct call *c)
{
    static const char *const known[] = {"all", NULL};
    struct listing l = {c, buf_append_str(&c->gathered, "{\"instances\":["), 0};
    struct error err;
    const struct span *all = control_query(c, "all");
    if (!control_query_only(c, known)) {
        return;
    }
    fleet_each(c->s->fleet, list_member, &l);
    if (all != NULL && span_eq(*all, SPAN_LIT("true")) &&
        objects_each(c->s, LIST_MAX, list_stored, &l, &err) < 0) {
        call_reply_error(c, 500, "internal", err.text, NULL);
        return;
    }
    control_answer_gathered(c, l.ok && buf_append_str(&c->gathered, "]}"));
}

/* ---- one ---- */

static void answer_instance(struct call *c)
{
    const struct member *m = fleet_find(c->s->fleet, span_str(c->object.id));
    control_answer_gathered(c, instance_write(c->s, &c->object, m, &c->gathered) &&
                                   buf_append_str(&c->gathered, "}"));
}

static void on_policy(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    struct span policy = reply == RUNTIME_REPLY_OK ? payload : SPAN_LIT("");
    const struct member *m = fleet_find(c->s->fleet, span_str(c->object.id));
    control_answer_gathered(c, instance_write(c->s, &c->object, m, &c->gathered) &&
                                   raw_member(&c->gathered, "policy", policy) &&
                                   buf_append_str(&c->gathered, "}"));
}

static void get(struct call *c)
{
    struct member *m;
    if (!control_find(c, &m)) {
        return;
    }
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    bool given = c->s->up != NULL || instance_facts(m->instance).len > 0;
    if (r == NULL || !given) {
        on_policy(c, RUNTIME_REPLY_LOST, SPAN_LIT(""));
        return;
    }
    runtime_link_call(r, span_str(c->object.id), SPAN_LIT("$policy"), SPAN_LIT("[]"), on_policy, c);
}

/* ---- made ---- */

static void on_command(void *arg, int status, const char *why)
{
    struct call *c = arg;
    if (why != NULL) {
        control_answer_not_started(c, status, why, RUNS_WITHOUT);
    } else {
        answer_instance(c);
    }
}

/* c->gathered has the command's words, if it has one. */
static void on_running(void *arg, struct member *m, const char *why)
{
    struct call *c = arg;
    struct error err;
    if (why != NULL) {
        call_reply_error(c, 400, "refused", why, NULL);
        return;
    }
    if (buf_len(&c->gathered) == 0) {
        answer_instance(c);
        return;
    }
    int rc = container_command(c->s->containers, m, buf_span(&c->gathered), on_command, c, &err);
    buf_clear(&c->gathered);
    if (rc < 0) {
        control_answer_not_started(c, EXIT_OURS, err.text, RUNS_WITHOUT);
    }
}

void control_start(struct call *c, void (*fn)(void *arg, struct member *m, const char *why))
{
    struct error err;
    struct member_ident ident = object_ident(&c->object);
    struct member *m = fleet_open(c->s->fleet, &ident, &err);
    if (m == NULL) {
        call_reply_error(c, 503, "unavailable", err.text, NULL);
        return;
    }
    c->wait = (struct member_wait){.fn = fn, .arg = c};
    list_init(&c->wait.node);
    member_start(m, NULL, &c->wait);
}

static void start(struct call *c)
{
    const struct member *m = fleet_find(c->s->fleet, span_str(c->object.id));
    if (buf_len(&c->gathered) > 0 && m != NULL && m->state != MEMBER_STOPPED) {
        call_reply_error(c, 409, "running", "it has a sandbox already: the command was not started",
                         "`sallyport exec` runs one in it, `sallyport rm` ends it");
        return;
    }
    control_start(c, on_running);
}

/* The words into c->gathered; true also for none. */
static bool command_take(struct call *c, json_t *v)
{
    json_t *word;
    size_t i;
    json_array_foreach(v, i, word)
    {
        const char *text = json_string_value(word);
        if (text == NULL || strlen(text) != json_string_length(word) ||
            !buf_append(&c->gathered, text, strlen(text) + 1) ||
            buf_len(&c->gathered) > EXEC_WORDS_MAX) {
            return false;
        }
    }
    return v == NULL || (json_array_size(v) > 0 && buf_span(&c->gathered).ptr[0] != 0);
}

static void create(struct call *c)
{
    static const char form[] =
        "expected {\"id\": NAME, \"class\": NAME, \"command\": [WORDS]}, the last two if need be";
    json_t *body = control_body(c, JSON_OBJECT, form);
    if (body == NULL) {
        return;
    }
    json_t *id = json_object_get(body, "id");
    json_t *class_name = json_object_get(body, "class");
    json_t *command = json_object_get(body, "command");
    const char *name = json_string_value(id);
    const char *of = class_name != NULL && !json_is_null(class_name) ? json_string_value(class_name)
                     : c->s->spec->class_name != NULL                ? c->s->spec->class_name
                                                                     : "";
    bool ok =
        name != NULL && of != NULL && name[0] != 0 && strlen(name) == json_string_length(id) &&
        strlen(name) <= FLEET_NAME_MAX && strlen(of) <= FLEET_CLASS_MAX &&
        json_object_size(body) == (class_name != NULL ? 2u : 1u) + (command != NULL ? 1u : 0u) &&
        command_take(c, command);
    if (!ok) {
        call_reply_error(c, 400, "bad_request", "body: unknown, missing or wrong field", form);
    } else if (c->s->up == NULL) {
        call_reply_error(c, 405, "method_not_allowed", "a `run` has one instance",
                         "`sallyport up` has many");
    } else {
        control_name(c, span_str(of), span_str(name), start);
    }
    json_decref(body);
}

/* ---- ended ---- */

static void on_removed(void *arg, enum runtime_reply reply, struct span payload)
{
    struct call *c = arg;
    struct error err;
    (void)reply; /* a runtime that has ended has nothing of it either */
    (void)payload;
    /* Code may have begun anew meanwhile: what it began has no gate any more. */
    struct member *again = fleet_find(c->s->fleet, span_str(c->object.id));
    if (again != NULL) {
        member_stop(again, SIGKILL, NULL);
    }
    if (objects_remove(c->s, span_str(c->object.id), &err) < 0) {
        call_reply_error(c, 500, "internal", err.text, NULL);
    } else {
        call_reply_json(c, SPAN_LIT("{}"));
    }
}

static void on_gone(void *arg, struct member *m, const char *why)
{
    struct call *c = arg;
    struct runtime_link *r = runtimes_active(c->s->runtimes);
    (void)m;
    (void)why;
    if (c->s->up == NULL) {
        call_reply_json(c, SPAN_LIT("{}"));
    } else if (r != NULL) {
        runtime_link_remove(r, span_str(c->object.id), on_removed, c);
    } else {
        on_removed(c, RUNTIME_REPLY_LOST, SPAN_LIT(""));
    }
}

static void end(struct call *c)
{
    struct member *m;
    if (!control_find(c, &m)) {
        return;
    }
    if (m == NULL) {
        on_gone(c, NULL, NULL);
        return;
    }
    c->wait = (struct member_wait){.fn = on_gone, .arg = c};
    list_init(&c->wait.node);
    member_stop(m, SIGKILL, &c->wait);
}

const struct control_route control_instance_routes[] = {
    {"GET", "instances", list},
    {"POST", "instances", create},
    {"GET", "instances/:", get},
    {"DELETE", "instances/:", end},
    {0},
};
