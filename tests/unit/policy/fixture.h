/* A class in a few words, and a question to its policy. */
#ifndef SALLYPORT_TESTS_UNIT_POLICY_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_POLICY_FIXTURE_H

#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* after the headers it needs */
#include <cmocka.h>

/* Space-separated words as a list; "" is the empty list. The words are lent from text. */
struct words {
    struct span items[32];
    struct policy_list list;
};

static inline const struct policy_list *words_split(struct words *w, const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, " ");
        if (len > 0) {
            w->items[n++] = span_of(p, len);
        }
        p += len + (p[len] == ' ');
    }
    w->list = (struct policy_list){w->items, n};
    return &w->list;
}

struct spec {
    const char *allowed; /* NULL: no list */
    const char *denied;
    const char *hosts;
    const char *handlers;
    const char *tcp;
    bool outbound;
    bool offline;
};

static inline struct policy *policy_of(const struct spec *s, struct error *err)
{
    struct words w[5];
    struct policy_config c = {
        .class_name = SPAN_LIT("Box"),
        .has_allowed = s->allowed != NULL,
        .allowed = *words_split(&w[0], s->allowed != NULL ? s->allowed : ""),
        .denied = *words_split(&w[1], s->denied != NULL ? s->denied : ""),
        .hosts = *words_split(&w[2], s->hosts != NULL ? s->hosts : ""),
        .handlers = *words_split(&w[3], s->handlers != NULL ? s->handlers : ""),
        .allowed_tcp = *words_split(&w[4], s->tcp != NULL ? s->tcp : ""),
        .outbound = s->outbound,
        .enable_internet = !s->offline,
    };
    return policy_create(&c, err);
}

static inline struct policy_verdict ask_kind(const struct policy *p, const char *host,
                                             enum policy_kind kind, uint16_t port)
{
    struct url_host h;
    struct policy_verdict v;

    if (!url_host_canonical(span_str(host), &h)) {
        fail_msg("%s is no host", host);
    }
    policy_decide(p, &(struct policy_facts){kind, &h, port, port == 443}, &v);
    return v;
}

static inline struct policy_verdict ask(const struct policy *p, const char *host)
{
    return ask_kind(p, host, POLICY_REQUEST, 443);
}

#define assert_span(got, want)                                                                     \
    do {                                                                                           \
        struct span got_ = (got);                                                                  \
        if (!span_eq(got_, span_str(want))) {                                                      \
            fail_msg("\"" SPAN_FMT "\" is not \"%s\"", SPAN_ARG(got_), (want));                    \
        }                                                                                          \
    } while (0)

#endif
