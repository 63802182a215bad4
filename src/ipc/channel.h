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
 *
 * When no rule allows a descriptor the channel is read without room for one: the kernel drops what
 * is sent, and the attempt ends the channel. Bytes are overwritten once they were sent or handled,
 * for a message may carry a secret.
 */
#ifndef SALLYPORT_IPC_CHANNEL_H
#define SALLYPORT_IPC_CHANNEL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#define IPC_BODY_MAX   (32u * 1024u * 1024u) /* a KV value of 25 MiB and its names */
#define IPC_QUEUE_MAX  (64u * 1024u * 1024u) /* bytes that wait to be written */
#define IPC_FDS_MAX    8u
#define IPC_FIELDS_MAX 12u
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
/* The other end went away (why starts with IPC_GONE) or broke a rule; why is a sentence. Last
 * callback. */
#define IPC_GONE "the other end went away"
typedef void (*ipc_closed_fn)(void *arg, const char *why);

/* Takes fd (given, also on failure), sets it non-blocking. rules is kept by pointer. */
struct ipc_channel *ipc_channel_create(struct loop *loop, int fd, const struct ipc_rule *rules,
                                       ipc_message_fn message, ipc_closed_fn closed, void *arg,
                                       struct error *err);
/* Lower ceilings than IPC_BODY_MAX and IPC_QUEUE_MAX, for an end that is not trusted: the longest
 * body that is taken from it, and how many bytes may wait for it. */
void ipc_channel_limit(struct ipc_channel *ch, size_t body_max, size_t queue_max);
/* NULL is allowed, also inside a callback of the channel. What was sent is flushed if it can. */
void ipc_channel_destroy(struct ipc_channel *ch);

/* Queues; what a turn of the loop sent leaves at its end in one write. The bytes are copied, the
 * descriptors duplicated. false when the queue is over IPC_QUEUE_MAX or the other end is gone.
 * No callback is made from inside. */
bool ipc_send(struct ipc_channel *ch, uint16_t type, const struct span *fields, size_t field_count,
              const int *fds, size_t fd_count);

size_t ipc_waiting(const struct ipc_channel *ch); /* bytes that are not written yet */

/* Writes what it can now instead of at the end of the turn: for what the other end waits for. */
void ipc_channel_flush(struct ipc_channel *ch);

/* The same for a process without a loop (launcher): blocking, one message at a time, never a byte
 * beyond it. The memory behind the fields of a received message is in *body, which the caller made
 * with buf_init and frees; its descriptors are the caller's. -EPIPE: the other end went away. */
int ipc_send_blocking(int fd, uint16_t type, const struct span *fields, size_t field_count,
                      const int *fds, size_t fd_count, struct error *err);
int ipc_receive_blocking(int fd, const struct ipc_rule *rules, struct ipc_message *msg,
                         struct buf *body, struct error *err);

#endif
