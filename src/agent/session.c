#include "agent/agent.h"
#include "agent/json.h"
#include "ipc/conversations.h"

#include <stdio.h>
#include <stdlib.h>

static struct session *session_add(struct agent *a, struct span name, const char *cwd)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->name = strndup(name.len > 0 ? name.ptr : "", name.len);
    s->cwd = strdup(cwd);
    if (s->name == NULL || s->cwd == NULL || !words_copy(&s->env, words_items(&a->env))) {
        free(s->name);
        free(s->cwd);
        free(s);
        return NULL;
    }
    list_append(&a->sessions, &s->node);
    a->session_count++;
    return s;
}

static void session_free(struct agent *a, struct session *s)
{
    list_remove(&s->node);
    a->session_count--;
    words_free(&s->env);
    free(s->name);
    free(s->cwd);
    free(s);
}

bool sessions_open(struct agent *a)
{
    list_init(&a->sessions);
    return session_add(a, span_of("", 0), a->cwd) != NULL;
}

struct session *session_find(struct agent *a, struct span name)
{
    LIST_FOREACH(node, &a->sessions)
    {
        struct session *s = LIST_ENTRY(node, struct session, node);
        if (span_eq(span_str(s->name), name)) {
            return s;
        }
    }
    return NULL;
}

struct session *session_take(struct agent *a, struct span name)
{
    struct session *s = session_find(a, name);
    if (s == NULL && a->session_count < AGENT_SESSIONS_MAX) {
        s = session_add(a, name, a->cwd);
    }
    return s;
}

static bool set_env(struct session *s, struct span env)
{
    struct words over;
    if (!words_split(&over, env)) {
        return false;
    }
    const bool ok = words_lay_all(&s->env, &over);
    words_free(&over);
    return ok;
}

static bool set_cwd(struct session *s, struct span cwd)
{
    char *next = NULL;
    if (cwd.len == 0) {
        return true;
    }
    if (cwd.ptr[0] == '/') {
        next = strndup(cwd.ptr, cwd.len);
    } else if (asprintf(&next, "%s/" SPAN_FMT, s->cwd, SPAN_ARG(cwd)) < 0) {
        next = NULL;
    }
    if (next == NULL) {
        return false;
    }
    free(s->cwd);
    s->cwd = next;
    return true;
}

static const char *create(struct agent *a, const struct span *f)
{
    if (f[2].len == 0 || session_find(a, f[2]) != NULL) {
        return "session: there is one of this name";
    }
    if (a->session_count >= AGENT_SESSIONS_MAX) {
        return SESSION_TOO_MANY;
    }
    struct session *s = session_add(a, f[2], a->cwd);
    if (s == NULL || !set_env(s, f[4]) || !set_cwd(s, f[3])) {
        if (s != NULL) {
            session_free(a, s);
        }
        return "session: out of memory";
    }
    return NULL;
}

static const char *change(struct agent *a, const struct span *f)
{
    struct session *s = session_take(a, f[2]);
    if (s == NULL) {
        return SESSION_TOO_MANY;
    }
    return set_env(s, f[4]) && set_cwd(s, f[3]) ? NULL : "session: out of memory";
}

static const char *delete (struct agent *a, const struct span *f)
{
    struct session *s = session_find(a, f[2]);
    if (s == NULL || f[2].len == 0) {
        return s == NULL ? "session: not found" : "session: the default one stays";
    }
    session_free(a, s);
    return NULL;
}

static void list(struct agent *a, struct span seq)
{
    struct buf out;
    buf_init(&out, AGENT_BODY_MAX - 1024);
    bool ok = buf_append_str(&out, "[");
    LIST_FOREACH(node, &a->sessions)
    {
        const struct session *s = LIST_ENTRY(node, struct session, node);
        ok = ok && buf_append_str(&out, node != a->sessions.next ? ",{\"name\":" : "{\"name\":") &&
             json_string(&out, span_str(s->name)) && buf_append_str(&out, ",\"cwd\":") &&
             json_string(&out, span_str(s->cwd)) && buf_append_str(&out, "}");
    }
    if (ok && buf_append_str(&out, "]")) {
        say_reply(a, seq, true, buf_span(&out));
    } else {
        say_error(a, seq, "session: the list is too long");
    }
    buf_free(&out);
}

void session_message(struct agent *a, struct ipc_message *msg)
{
    static const struct {
        const char *op;
        const char *(*fn)(struct agent *a, const struct span *f);
    } ops[] = {{"create", create}, {"set", change}, {"delete", delete}};
    const struct span *f = msg->fields;
    if (span_eq(f[1], SPAN_LIT("list"))) {
        list(a, f[0]);
        return;
    }
    const char *why = "session: create, set, delete or list";
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (span_eq(f[1], span_str(ops[i].op))) {
            why = ops[i].fn(a, f);
        }
    }
    if (why != NULL) {
        say_error(a, f[0], why);
    } else {
        say_reply(a, f[0], true, SPAN_LIT("{}"));
    }
}
