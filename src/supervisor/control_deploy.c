/*
 * PUT /v1/app: another app in the place of the one that serves.
 *
 *     parsed -> a runtime of its own loads it, on trial -> the serving one takes it -> answered
 */
#include "supervisor/control_routes.h"
#include "supervisor/deploy.h"
#include "supervisor/supervisor.h"
#include "supervisor/up.h"

#include <stdio.h>
#include <stdlib.h>

#define FACTS_MAX (1024u * 1024u)

struct deployment {
    struct call *call;
    struct supervisor *s;
    struct deploy deploy;
    struct buf before; /* app facts of what is replaced */
};

static bool under_way; /* one after the other: each is judged against what serves */

static bool answer_write(const struct deployment *d, struct span facts, struct buf *out)
{
    struct span before = buf_len(&d->before) > 0 ? buf_span(&d->before) : SPAN_LIT("null");
    return buf_appendf(out, "{\"version\":%u,\"facts\":", d->s->deploys) &&
           buf_append_span(out, facts.len > 0 ? facts : SPAN_LIT("null")) &&
           buf_append_str(out, ",\"before\":") && buf_append_span(out, before) &&
           buf_append_str(out, "}");
}

static void over(struct deployment *d)
{
    under_way = false;
    deploy_free(&d->deploy);
    buf_free(&d->before);
    free(d);
}

static void on_deployed(void *arg, enum runtime_reply reply, struct span payload)
{
    struct deployment *d = arg;
    struct call *c = d->call;
    if (reply == RUNTIME_REPLY_OK) {
        deploy_commit(d->s, &d->deploy);
        runtimes_facts_set(d->s->runtimes, payload);
        control_answer_gathered(c, answer_write(d, payload, &c->gathered));
    } else {
        runtimes_trial_drop(d->s->runtimes);
        control_answer_failure(c, reply, payload);
    }
    over(d);
}

static void on_tried(void *arg, bool ok, const char *why)
{
    struct deployment *d = arg;
    struct runtime_link *r = runtimes_active(d->s->runtimes);
    if (!ok) {
        runtimes_trial_drop(d->s->runtimes);
        control_answer_failure(d->call, RUNTIME_REPLY_ERROR, span_str(why));
        over(d);
    } else if (r == NULL) {
        on_deployed(d, RUNTIME_REPLY_LOST, SPAN_LIT("the runtime ended"));
    } else {
        struct runtime_app app = deploy_app(&d->deploy);
        runtime_link_deploy(r, &app, on_deployed, d);
    }
}

static void deploy(struct call *c)
{
    struct error err;
    if (c->s->up == NULL) {
        call_reply_error(c, 405, "method_not_allowed", "a `run` keeps the code it began with",
                         "`sallyport up` deploys");
        return;
    }
    if (under_way || runtimes_active(c->s->runtimes) == NULL) {
        call_reply_error(c, 503, "unavailable",
                         under_way ? "another deploy is under way"
                                   : "the runtime is being replaced",
                         "try again");
        return;
    }
    struct deployment *d = calloc(1, sizeof *d);
    if (d == NULL || deploy_parse(c->s, buf_span(&c->body), &d->deploy, &err) < 0) {
        call_reply_error(c, 400, "bad_request", d != NULL ? err.text : "out of memory", NULL);
        free(d);
        return;
    }
    buf_wipe(&c->body); /* what is needed of it has been copied */
    d->call = c;
    d->s = c->s;
    buf_init(&d->before, FACTS_MAX);
    buf_append_span(&d->before, runtimes_facts(c->s->runtimes));
    under_way = true;
    struct runtime_app app = deploy_app(&d->deploy);
    if (runtimes_try(c->s->runtimes, &app, on_tried, d, &err) < 0) {
        call_reply_error(c, 503, "unavailable", err.text, "try again");
        over(d);
    }
}

const struct control_route control_deploy_routes[] = {
    {"PUT", "app", deploy},
    {0},
};
