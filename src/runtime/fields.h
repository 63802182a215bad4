/*
 * fields: lists of header fields as requests and responses carry them through the outer door. Pure.
 *
 * A list borrows: its spans point into the memory they came from, which the caller keeps for as
 * long as the list is read. Every growth stops at GATE_HEADER_COUNT.
 */
#ifndef SALLYPORT_RUNTIME_FIELDS_H
#define SALLYPORT_RUNTIME_FIELDS_H

#include "base/buf.h"
#include "gate/gate.h"
#include "js/host.h"

/* For what need not be zeroed on the stack of each request: a list is 8 KiB, and its count alone
 * says what is there. */
#define FIELDS_SCRATCH __attribute__((uninitialized))

struct fields {
    size_t count;
    struct gate_header items[GATE_HEADER_COUNT];
};

/* false: more fields than a head may have. */
bool fields_add(struct fields *f, struct span name, struct span value);
bool fields_add_all(struct fields *f, const struct gate_header *items, size_t count);

/* Two spellings of one name for whoever reads headers as CGI does: ASCII case, and '_' for '-'. */
bool fields_same_name(struct span a, struct span b);

/* The first value of that name, ASCII case apart; ptr NULL when there is none. */
struct span fields_get(const struct gate_header *items, size_t count, struct span name);

/* Takes out every field that fields_same_name calls name. */
void fields_remove(struct fields *f, struct span name);
/* Replaces the field of that name, in its place, and drops its other spellings. */
bool fields_set(struct fields *f, struct span name, struct span value);

/* f holds the base's fields; applies what JavaScript changed. false: too many, or a name or value
 * that no head may carry (then the list is of no use). Fields of framing and routing are left out:
 * they are the transport's. */
bool fields_apply(struct fields *f, const struct js_changes *changes);

#define FIELDS_JOINED_MAX (128u * 1024u)

/* Values of one name become one line, joined by ", ", where the name is one that every HTTP library
 * knows (as workerd writes heads); of other names, and of Set-Cookie, each keeps its line. The new
 * values are in text, which lives as long as the list is read. false: memory. */
bool fields_join(struct fields *f, struct buf *text);

/* Appends `name LF value LF` for each. */
bool fields_text(const struct gate_header *items, size_t count, struct buf *out);

/* A copy in one piece of memory, freed by one free(); with extra, that stands behind them at
 * [count]. NULL: memory. */
struct gate_header *fields_copy(const struct gate_header *items, size_t count,
                                const struct gate_header *extra);

/* A redirect leaves the origin: takes out credentials the client sent (Authorization, Cookie,
 * Proxy-Authorization) and what the log of changes added, but for names that say how to answer
 * and never who asks. */
void fields_leave_origin(struct fields *f, const struct js_changes *changes);

#endif
