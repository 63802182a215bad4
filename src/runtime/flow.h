/*
 * flow: one stream of the gate as the outer door keeps it, an HTTP exchange or a tunnel, and what
 * the audit will say of it.
 */
#ifndef SALLYPORT_RUNTIME_FLOW_H
#define SALLYPORT_RUNTIME_FLOW_H

#include "base/list.h"
#include "policy/policy.h"
#include "runtime/destination.h"
#include "upstream/upstream.h"

#define FLOW_NAME_MAX 128u /* bytes that the audit keeps of a pattern or a handler's name */

struct door;

enum flow_kind { FLOW_EXCHANGE, FLOW_TUNNEL };

struct flow_text {
    uint8_t len;
    char text[FLOW_NAME_MAX];
};

struct flow {
    enum flow_kind kind;
    struct list node; /* in door.flows */
    struct door *door;
    uint32_t stream;
    bool reported; /* the audit has its line */
    struct destination dest;
    bool has_dest;

    uint64_t wall_ms;
    uint64_t started_us;
    const char *proto;
    const char *decision;
    const char *rule;
    const char *error;
    struct flow_text pattern;
    struct flow_text handler;
    uint16_t status;
    uint64_t bytes_in;
    uint64_t bytes_out;
    char peer[UPSTREAM_PEER_MAX];
    char failure[24]; /* id of a failed handler */
};

void flow_open(struct flow *f, enum flow_kind kind, struct door *door, uint32_t stream);
void flow_close(struct flow *f); /* out of the door's list */

/* Asks the policy and notes what it said. The verdict is lent until the policy changes. */
void flow_decide(struct flow *f, enum policy_kind kind, struct policy_verdict *out);
void flow_text_set(struct flow_text *t, struct span s);
void flow_peer_set(struct flow *f, const char *peer);

/* The line of the audit, once; the front has none. method and target are empty for a tunnel;
 * secrets as in event.h. */
void flow_report(struct flow *f, struct span method, struct span target, struct span secrets);

#endif
