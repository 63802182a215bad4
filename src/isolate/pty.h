/*
 * pty: a terminal of our own between the user's terminal and a sandbox.
 */
#ifndef SALLYPORT_ISOLATE_PTY_H
#define SALLYPORT_ISOLATE_PTY_H

#include "base/error.h"
#include "loop/loop.h"

struct isolate_pty {
    int outer; /* ours: what the sandbox writes is read here */
    int inner; /* the sandbox's 0, 1, 2 and controlling terminal */
};

/* A new pair, both CLOEXEC and never anybody's controlling terminal by opening. Settings and window
 * size are copied from `like` when that is a terminal (-1: none). */
int isolate_pty_open(int like, struct isolate_pty *out, struct error *err);

struct isolate_pty_relay;

/* The sandbox's side ended and all its output was written. Called once, from the loop. */
typedef void (*isolate_pty_done_fn)(void *arg);

struct isolate_pty_relay_options {
    int outer;    /* of the pair; stays the caller's */
    int user_in;  /* the user's terminal or another input; -1: none */
    int user_out; /* where output goes */
    isolate_pty_done_fn done;
    void *arg;
};

/* Puts the user's terminal into raw mode (user_in is one), relays bytes both ways and the window
 * size on SIGWINCH. isolate_pty_relay_stop flushes what can be written and gives the terminal its
 * settings back. */
int isolate_pty_relay_start(struct loop *loop, const struct isolate_pty_relay_options *options,
                            struct isolate_pty_relay **out, struct error *err);
void isolate_pty_relay_stop(struct isolate_pty_relay *r); /* NULL is allowed */

#endif
