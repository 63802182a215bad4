/*
 * stdfds: what a sandbox gets as descriptors 0, 1 and 2, made from ours (design 3.4).
 *
 *     pipe, /dev/null         passed as they are
 *     regular file            passed, unless opening it anew inside (/proc/self/fd) would give more
 *                             than the descriptor does: then relayed
 *     terminal                the inner end of a pty of ours, relayed
 *     socket                  a pipe, relayed
 *     closed                  /dev/null
 *     anything else           refused
 */
#ifndef SALLYPORT_SUPERVISOR_STDFDS_H
#define SALLYPORT_SUPERVISOR_STDFDS_H

#include "base/error.h"
#include "isolate/pty.h"
#include "isolate/relay.h"

#include <stdbool.h>

typedef void (*stdio_done_fn)(void *arg);

struct stdio {
    struct loop *loop;
    int fds[3]; /* for the launcher; -1 after stdio_handed */
    bool tty;   /* one of the three is the inner end of our pty: the controlling terminal */

    struct isolate_pty pty;
    struct isolate_pty_relay *pty_relay;
    int user_in; /* the user's terminal, -1: none that we read */
    int user_out;
    bool pty_open; /* its output has not ended */

    int pipes[3]; /* our ends of the pipes that are relayed */
    struct isolate_relay *relays[3];
    struct stdio_relay {
        struct stdio *owner;
        int at;
        bool open; /* output that has not ended */
    } relay_args[3];

    stdio_done_fn done; /* set by stdio_finish */
    void *arg;
};

/* Starts the relays; the terminal is in raw mode from here until stdio_close. On failure nothing is
 * left behind. */
int stdio_open(struct stdio *s, struct loop *loop, struct error *err);
/* The launcher has its copies. */
void stdio_handed(struct stdio *s);
/* The sandbox has ended: input stops, done is called once all output is written (also from
 * inside). */
void stdio_finish(struct stdio *s, stdio_done_fn done, void *arg);
/* Gives the terminal its settings back for as long as we are stopped, and takes it again. */
void stdio_suspend(struct stdio *s);
void stdio_resume(struct stdio *s);
/* At any time after stdio_open, or on a zeroed one whose loop is NULL. */
void stdio_close(struct stdio *s);

#endif
