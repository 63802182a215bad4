/*
 * exec: one process inside a sandbox whose streams stay here, for whoever asked over the control
 * socket (docs/control-api.md, Exec).
 *
 * Back-pressure both ways: a stream is read only while `room` says that there is some, and input
 * is taken only as far as EXEC_INPUT_MAX.
 */
#ifndef SALLYPORT_SUPERVISOR_EXEC_H
#define SALLYPORT_SUPERVISOR_EXEC_H

#include "base/buf.h"
#include "supervisor/agent_link.h"
#include "supervisor/fleet.h"

#define EXEC_INPUT_MAX  (64u * 1024u) /* bytes of input that wait for the process */
#define EXEC_READ_BYTES (64u * 1024u) /* at most, at once */
#define EXEC_LINGER_MS  500u          /* for output of children that outlive the process */
#define EXEC_HANGUP_MS  2000u         /* from SIGHUP to SIGKILL when the asker has gone */
#define EXEC_WORDS_MAX  (1024u * 1024u)

struct exec;

struct exec_events {
    void (*started)(void *arg);
    /* Instead of started, and the last callback. status 125 to 127. */
    void (*refused)(void *arg, int status, const char *why);
    /* stream is 1 or 2; with a terminal only 1. Lent. */
    void (*output)(void *arg, int stream, struct span bytes);
    bool (*room)(void *arg);                /* for EXEC_READ_BYTES more of output */
    void (*taken)(void *arg, size_t bytes); /* the process has so much more of the input */
    /* It has ended and its output was told: the last callback. */
    void (*ended)(void *arg, enum agent_end how, int number);
};

struct exec_spec {
    struct span flags; /* "s": argv is a line for the shell */
    struct span session;
    struct span timeout_ms; /* decimal, or empty */
    struct span cwd;
    struct span env;  /* a NUL behind each */
    struct span argv; /* a NUL behind each */
    bool input;
    bool tty;
    uint16_t rows;
    uint16_t columns;
};

/* m runs. Callbacks come later, none from inside. */
int exec_start(struct loop *loop, struct member *m, const struct exec_spec *spec,
               const struct exec_events *events, void *arg, struct exec **out, struct error *err);
/* There is room again. */
void exec_resume(struct exec *e);
/* false: over EXEC_INPUT_MAX. One that nobody reads is taken, also from inside. */
bool exec_input(struct exec *e, struct span bytes);
void exec_input_end(struct exec *e);
void exec_signal(struct exec *e, int signum);
void exec_resize(struct exec *e, uint16_t rows, uint16_t columns);
/* The asker has gone: no callback any more, the process is hung up and e frees itself. */
void exec_hang_up(struct exec *e);

#endif
