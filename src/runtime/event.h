/*
 * event: one line of the audit as docs/control.md lists it. Pure.
 */
#ifndef SALLYPORT_RUNTIME_EVENT_H
#define SALLYPORT_RUNTIME_EVENT_H

#include "base/buf.h"
#include "base/span.h"

#define EVENT_TEXT_MAX 512u /* bytes of one hostile string in an event; longer ones end in "…" */
#define EVENT_LINE_MAX (24u * 1024u)

/* An empty span, a 0 or a NULL stands for what is not there and is written as null (or left out
 * where the table says so). */
struct event {
    uint64_t time_ms; /* wall clock */
    struct span instance;
    struct span name; /* what the id was made of; empty: not known */
    struct span class_name;
    const char *proto;
    struct span method;
    const char *scheme;
    struct span host;
    uint16_t port;
    struct span path; /* cut at the first '?' by the writer */
    const char *decision;
    const char *rule;
    struct span pattern;
    struct span handler;
    uint16_t status;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t us; /* how long it took */
    struct span upstream;
    struct span secrets; /* names, each ended by LF */
    const char *error;
    struct span id;
    struct span ca_rejected;
};

/* Appends the line without a newline; false (and nothing changed) when out is full. Bytes that are
 * not UTF-8 become U+FFFD. */
bool event_write(struct buf *out, const struct event *e);

#endif
