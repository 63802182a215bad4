#include "runtime/inject.h"

#include "policy/policy.h"
#include "proto/http1/http1.h"

#include <stdlib.h>

struct rule {
    struct policy_set *host;
    struct span header;
    struct span value;
    char *text; /* what the spans point into */
};

struct inject {
    size_t count;
    struct rule rules[];
};

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = span_from(s, 1);
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Cuts at ": " (or a ':' with nothing behind it that could be a port), so that [v6] globs work. */
static bool cut(struct span *rest, struct span *out)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->ptr[i] == ':' &&
            (i + 1 == rest->len || rest->ptr[i + 1] == ' ' || rest->ptr[i + 1] == '\t')) {
            *out = trim(span_of(rest->ptr, i));
            *rest = span_from(*rest, i + 1);
            return true;
        }
    }
    return false;
}

static int rule_parse(struct rule *r, struct span text, struct error *err)
{
    r->text = malloc(text.len + 1);
    if (r->text == NULL) {
        return error_set(err, 0, "inject: out of memory");
    }
    memcpy(r->text, text.ptr, text.len);
    struct span rest = span_of(r->text, text.len);
    struct span host;
    if (!cut(&rest, &host) || !cut(&rest, &r->header)) {
        return error_set(err, 0, "inject: expected 'HOST: HEADER: VALUE'");
    }
    r->value = trim(rest);
    if (!http1_is_token(r->header) || http1_field_flags(r->header) != 0) {
        return error_set(err, 0, "inject for " SPAN_FMT ": not a header that can be set",
                         SPAN_ARG(host));
    }
    if (!http1_is_value(r->value)) {
        return error_set(err, 0,
                         "inject for " SPAN_FMT ": " SPAN_FMT ": the value holds a control "
                         "byte",
                         SPAN_ARG(host), SPAN_ARG(r->header));
    }
    r->host = policy_set_create(&(struct policy_list){&host, 1}, err);
    return r->host != NULL ? 0 : error_prefix(err, "inject");
}

int inject_create(const struct span *rules, size_t count, struct inject **out, struct error *err)
{
    *out = NULL;
    if (count == 0) {
        return 0;
    }
    if (count > INJECT_RULES_MAX) {
        return error_set(err, 0, "inject: more than %u rules", INJECT_RULES_MAX);
    }
    struct inject *in = calloc(1, sizeof *in + count * sizeof in->rules[0]);
    if (in == NULL) {
        return error_set(err, 0, "inject: out of memory");
    }
    in->count = count;
    for (size_t i = 0; i < count; i++) {
        if (rule_parse(&in->rules[i], rules[i], err) != 0) {
            inject_free(in);
            return -1;
        }
    }
    *out = in;
    return 0;
}

void inject_free(struct inject *in)
{
    for (size_t i = 0; in != NULL && i < in->count; i++) {
        struct rule *r = &in->rules[i];
        policy_set_free(r->host);
        if (r->text != NULL) {
            explicit_bzero(r->text, r->value.ptr == NULL
                                        ? 0
                                        : (size_t)(r->value.ptr - r->text) + r->value.len);
        }
        free(r->text);
    }
    free(in);
}

/* Length of "${NAME}" at the front, 0 when there is none. */
static size_t placeholder(struct span s, struct span *name)
{
    if (s.len < 4 || s.ptr[0] != '$' || s.ptr[1] != '{') {
        return 0;
    }
    const char *end = memchr(s.ptr + 2, '}', s.len - 2);
    if (end == NULL) {
        return 0;
    }
    *name = span_of(s.ptr + 2, (size_t)(end - s.ptr) - 2);
    return name->len > 0 ? name->len + 3 : 0;
}

static int expand(const struct rule *r, const struct secrets *secrets, struct buf *values,
                  struct buf *names, struct error *err)
{
    struct span rest = r->value;
    while (rest.len > 0) {
        struct span name;
        size_t len = placeholder(rest, &name);
        struct span piece = span_of(rest.ptr, 1);
        if (len > 0) {
            piece = secrets_get(secrets, name);
            if (piece.ptr == NULL) {
                return error_set(err, 0, "inject " SPAN_FMT ": there is no secret " SPAN_FMT,
                                 SPAN_ARG(r->header), SPAN_ARG(name));
            }
            if (!buf_append_span(names, name) || !buf_append(names, "\n", 1)) {
                return error_set(err, 0, "inject: too many secrets in one request");
            }
        }
        if (!buf_append_span(values, piece)) {
            return error_set(err, 0, "inject " SPAN_FMT ": the value is too long",
                             SPAN_ARG(r->header));
        }
        rest = span_from(rest, len > 0 ? len : 1);
    }
    return 0;
}

int inject_apply(const struct inject *in, const struct secrets *secrets,
                 const struct url_host *host, struct fields *f, struct buf *values,
                 struct buf *names, struct error *err)
{
    size_t starts[INJECT_RULES_MAX + 1];
    size_t hits[INJECT_RULES_MAX];
    size_t count = 0;
    for (size_t i = 0; in != NULL && i < in->count; i++) {
        if (policy_set_match(in->rules[i].host, host) == POLICY_NO_INDEX) {
            continue;
        }
        starts[count] = buf_len(values);
        hits[count++] = i;
        if (expand(&in->rules[i], secrets, values, names, err) != 0) {
            return -1;
        }
    }
    starts[count] = buf_len(values);
    /* Only now: the buffer may have moved while it grew. */
    const char *text = buf_span(values).ptr;
    for (size_t k = 0; k < count; k++) {
        struct span value = trim(span_of(text + starts[k], starts[k + 1] - starts[k]));
        if (!http1_is_value(value)) {
            return error_set(err, 0,
                             "inject " SPAN_FMT ": its secret holds a newline: no header can "
                             "carry it",
                             SPAN_ARG(in->rules[hits[k]].header));
        }
        if (!fields_set(f, in->rules[hits[k]].header, value)) {
            return error_set(err, 0, "inject " SPAN_FMT ": it does not fit the request",
                             SPAN_ARG(in->rules[hits[k]].header));
        }
    }
    return 0;
}
