/*
 * link: a child with its control channel and its voice, as one thing that ends once.
 *
 * The end is told when both the process and the channel have ended, so that a child's last words
 * are heard first. A child that breaks a rule of the channel is killed.
 */
#ifndef SALLYPORT_SUPERVISOR_LINK_H
#define SALLYPORT_SUPERVISOR_LINK_H

#include "base/error.h"
#include "ipc/channel.h"
#include "loop/loop.h"

#include <sys/types.h>

struct child;
struct voice;

struct link {
    struct child *child;
    struct ipc_channel *channel;
    struct voice *voice;
    ipc_message_fn message;
    void (*ended)(void *arg, const char *why); /* last callback; link_close is allowed in it */
    void *arg;
    bool channel_ended;
    bool child_ended;
    char why[ERROR_TEXT_BYTES];
};

struct link_spec {
    const char *program;
    const char *id;
    const struct ipc_rule *hears; /* by us, from it */
    ipc_message_fn message;
    void (*ended)(void *arg, const char *why);
    void *arg;
};

/* Starts the program with /dev/null on 0 and 1, the voice on 2, the channel on 3. On failure
 * nothing is open. */
int link_open(struct loop *loop, const struct link_spec *spec, struct link *out, struct error *err);
/* The sentence that a FAILED message brought; told as the reason of the end. */
void link_failed(struct link *l, struct span sentence);
bool link_send(struct link *l, uint16_t type, const struct span *fields, size_t field_count,
               const int *fds, size_t fd_count);
void link_flush(struct link *l); /* not at the end of the turn but now */
pid_t link_pid(const struct link *l);
/* Ends the process; ended is told as ever. */
void link_kill(struct link *l);
/* Ends the process; no callback. A zeroed link is allowed. */
void link_close(struct link *l);

#endif
