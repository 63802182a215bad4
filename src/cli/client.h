/*
 * client: HTTP/1.1 on a control socket, one request after the other, blocking
 * (docs/control-api.md).
 *
 * The other end must be a process of our user or root: a secret never goes to anybody else.
 */
#ifndef SALLYPORT_CLI_CLIENT_H
#define SALLYPORT_CLI_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#define CLIENT_BODY_MAX (33u * 1024u * 1024u)

struct client;

/* NULL with err->code ENOENT or ECONNREFUSED: nobody listens there. path is kept as a copy. */
struct client *client_open(const char *path, struct error *err);
void client_close(struct client *c); /* NULL is allowed */
const char *client_path(const struct client *c);

struct client_request {
    const char *method;
    struct buf path; /* with encoded segments; freed by the call */
    struct span body;
};

struct client_reply {
    unsigned status;
    struct buf body;
};

/* Fails when there was no whole answer; a status of 400 and above is an answer. */
int client_call(struct client *c, struct client_request *r, struct client_reply *out,
                struct error *err);
void client_reply_free(struct client_reply *reply);

/* client_call that fails with the message and hint of an error answer (err->code ENOENT for 404,
 * EAGAIN for 503); out may be NULL. */
int client_do(struct client *c, struct client_request *r, struct client_reply *out,
              struct error *err);

/* Server-sent events: every `data:` line with the `event:` before it, until the answer ends or fn
 * says false. Spans are lent until fn returns. */
typedef bool (*client_event_fn)(void *arg, struct span event, struct span data);
int client_events(struct client *c, struct client_request *r, client_event_fn fn, void *arg,
                  struct error *err);

/* Asks for another protocol. 1: from now on the connection is the caller's, who reads
 * client_early first (bytes that came behind the answer), then client_fd (lent). 0: *refused has
 * the answer, to be freed. Negative: there was none. */
int client_upgrade(struct client *c, struct client_request *r, const char *protocol,
                   struct client_reply *refused, struct error *err);
int client_fd(const struct client *c);
struct buf *client_early(struct client *c);

/* The sentence of an error answer (status 400 and above) in err; always negative. */
int client_refusal(const struct client_reply *reply, struct error *err);

/* Builds r->path: client_path_start(r, "/v1/instances"), then segments and query parts. */
void client_path_start(struct client_request *r, const char *method, const char *fixed);
bool client_path_segment(struct client_request *r, struct span text); /* adds '/' + encoded */
bool client_path_query(struct client_request *r, const char *name, struct span value);

#endif
