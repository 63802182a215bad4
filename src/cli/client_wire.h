/* client_wire: the parts of a request and an answer. Inside the client's own files only. */
#ifndef SALLYPORT_CLI_CLIENT_WIRE_H
#define SALLYPORT_CLI_CLIENT_WIRE_H

#include "cli/client.h"
#include "proto/http1/http1.h"

struct client {
    int fd;
    char *path;
    struct buf in; /* what came and was not used yet */
};

/* Head and body; upgrade names a protocol or is NULL. */
int client_send(struct client *c, struct client_request *r, const char *upgrade, struct error *err);
/* The head's spans are lent until the next read. */
int client_read_head(struct client *c, struct http1_response *head, struct error *err);

/* 1 ends the reading early. bytes are lent until it returns. */
typedef int (*client_body_fn)(void *arg, struct span bytes, struct error *err);
int client_read_body(struct client *c, const struct http1_head *head, client_body_fn fn, void *arg,
                     struct error *err);
int client_keep_bytes(void *arg, struct span bytes, struct error *err); /* arg: struct buf * */

/* The message and hint of an error answer; always negative. */
int client_explain(unsigned status, struct span body, struct error *err);

#endif
