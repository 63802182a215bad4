/*
 * channel: control messages and descriptors between the supervisor and its children.
 *
 * AF_UNIX stream sockets made by socketpair. One message is one frame, little-endian:
 *
 *     u32 length of the body | u16 type | u16 number of descriptors | body
 *
 * The descriptors travel as SCM_RIGHTS with the first byte of their frame. The body is a *record*:
 * a number of fields, each a u32 length and that many bytes, and nothing after the last. A
 * receiver names how many fields a type has; a record with fewer, more or a rest is refused. What a
 * field means stands in conversations.h. A frame that breaks a rule ends the channel.
 */
#ifndef SALLYPORT_IPC_CHANNEL_H
#define SALLYPORT_IPC_CHANNEL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#define IPC_BODY_MAX   (32u * 1024u * 1024u) /* a KV value of 25 MiB and its names */
#define IPC_FDS_MAX    8u
#define IPC_FIELDS_MAX 8u
#define IPC_CHILD_FD   3 /* a child finds its channel to the supervisor here */

struct ipc_message {
    uint16_t type;
    struct span fields[IPC_FIELDS_MAX]; /* lent until the callback returns */
    size_t field_count;
    int fds[IPC_FDS_MAX]; /* taken with steal_fd; what is left is closed after the callback */
    size_t fd_count;
};

/* Which messages this end accepts, how many fields and descriptors each has. Ends with name NULL.
 */
struct ipc_rule {
    const char *name;
    uint16_t type;
    uint8_t fields;
    uint8_t fds_min;
    uint8_t fds_max;
};

struct ipc_channel;

typedef void (*ipc_message_fn)(void *arg, struct ipc_message *msg);
/* The other end went away or broke a rule; why is a sentence. Last callback. */
typedef void (*ipc_closed_fn)(void *arg, const char *why);

/* Takes fd (given). rules is kept by pointer. */
struct ipc_channel *ipc_channel_create(struct loop *loop, int fd, const struct ipc_rule *rules,
                                       ipc_message_fn message, ipc_closed_fn closed, void *arg,
                                       struct error *err);
void ipc_channel_destroy(
    struct ipc_channel *ch); /* NULL allowed; what was sent is flushed if it can */

/* Queues and writes as soon as it can; the bytes are copied, the descriptors duplicated. false when
 * the queue is over its ceiling or the channel is closed. */
bool ipc_send(struct ipc_channel *ch, uint16_t type, const struct span *fields, size_t field_count,
              const int *fds, size_t fd_count);

/* The same for a process without a loop (launcher): blocking, one message at a time.
 * ipc_receive: the message's memory is in *body until the caller frees it. -EPIPE at the end. */
int ipc_send_blocking(int fd, uint16_t type, const struct span *fields, size_t field_count,
                      const int *fds, size_t fd_count, struct error *err);
int ipc_receive_blocking(int fd, const struct ipc_rule *rules, struct ipc_message *msg,
                         struct buf *body, struct error *err);

#endif
