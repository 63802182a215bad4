/*
 * events: what happened, as lines: remembered, written to a file, given to who listens.
 */
#ifndef SALLYPORT_SUPERVISOR_EVENTS_H
#define SALLYPORT_SUPERVISOR_EVENTS_H

#include "base/error.h"
#include "base/list.h"
#include "base/span.h"

#define EVENTS_REMEMBERED   1000u           /* lines */
#define EVENTS_REMEMBER_MAX (1024u * 1024u) /* bytes of them */
#define EVENTS_LINE_MAX     (64u * 1024u)   /* bytes of one; a longer one is dropped */
#define EVENTS_ID_MAX       64u

struct events;

enum event_kind { EVENT_EGRESS, EVENT_LOG };

struct event {
    enum event_kind kind;
    struct span instance;
    struct span line; /* JSON without control bytes */
};

/* log: a path, "-" for descriptor 2, NULL for none. The file is appended to, mode 0600. */
int events_open(const char *log, struct events **out, struct error *err);
void events_close(struct events *e); /* NULL is allowed; no listener is left */

/* Lines of JSON joined by newlines, from a runtime: bytes below 0x20 become spaces. */
void events_egress(struct events *e, struct span instance, struct span lines);
/* Who says a line of the log; both are empty for the Worker itself. */
struct events_source {
    struct span instance;
    struct span name; /* what the id was made of; empty: not known */
};

/* One console line or failure; becomes {"time","instance","name"?,"level","text"}. */
void events_log(struct events *e, struct events_source from, struct span level, struct span text);

/* A listener stands inside its owner's object. fn may remove the listener. */
struct events_listener {
    struct list node;
    void (*fn)(void *arg, const struct event *event); /* the event is lent */
    void *arg;
};
void events_listen(struct events *e, struct events_listener *l);
void events_listener_remove(struct events_listener *l);

/* The last `most` remembered events, oldest first. */
void events_replay(struct events *e, size_t most, void (*fn)(void *arg, const struct event *event),
                   void *arg);

#endif
