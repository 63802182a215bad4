#include "supervisor/control_routes.h"

#include "supervisor/supervisor.h"

#include <stdio.h>

/* `pattern` is "a/:/b"; the segments behind "v1" are compared. */
static bool path_matches(const char *pattern, const struct call *c)
{
    for (size_t i = 1; i < c->segment_count; i++) {
        size_t len = strcspn(pattern, "/");
        bool any = len == 1 && *pattern == ':';
        if (len == 0 ||
            (any ? c->segments[i].len == 0 : !span_eq(c->segments[i], span_of(pattern, len)))) {
            return false;
        }
        pattern += len + (pattern[len] == '/' ? 1 : 0);
    }
    return *pattern == 0;
}

void control_dispatch(struct call *c)
{
    const struct control_route *const tables[] = {control_instance_routes, control_call_routes,
                                                  control_exec_routes, control_deploy_routes,
                                                  control_app_routes};
    bool known = false;
    bool versioned = span_eq(c->segments[0], SPAN_LIT("v1"));
    for (size_t t = 0; versioned && t < sizeof tables / sizeof *tables; t++) {
        for (const struct control_route *r = tables[t]; r->method != NULL; r++) {
            if (!path_matches(r->path, c)) {
                continue;
            }
            if (strcmp(r->method, c->method) == 0) {
                r->answer(c);
                return;
            }
            known = true;
        }
    }
    if (known) {
        call_reply_error(c, 405, "method_not_allowed", "the path has no such method", NULL);
    } else {
        call_reply_error(c, 404, "not_found", "no such path", "docs/control-api.md lists them");
    }
}

const struct span *control_query(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->query_count; i++) {
        if (span_eq(c->query[i].name, span_str(name))) {
            return &c->query[i].value;
        }
    }
    return NULL;
}

bool control_query_only(struct call *c, const char *const *names)
{
    for (size_t i = 0; i < c->query_count; i++) {
        const char *const *n = names;
        while (*n != NULL && !span_eq(c->query[i].name, span_str(*n))) {
            n++;
        }
        if (*n == NULL) {
            call_reply_error(c, 400, "bad_request", "the query has a name that is not known", NULL);
            return false;
        }
    }
    return true;
}
