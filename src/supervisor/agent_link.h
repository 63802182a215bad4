/*
 * agent_link: the supervisor's end of docs/agent-protocol.md, to one agent.
 *
 * The other end is inside the sandbox: every frame is hostile. Each field is checked, no descriptor
 * is taken, a process is started or refused once and ends once, and what waits has a ceiling. A
 * frame that breaks a rule ends the link: `broken`, and the owner ends that sandbox.
 *
 * Calls may be made from agent_link_start on: what is sent before the agent is up waits in the
 * socket, so a RUN that is sent at once costs no round trip.
 *
 * When the link ends, first each process that has not ended is told AGENT_END_LOST and each open
 * call AGENT_REPLY_LOST, then comes `gone` or `broken`. No callback is made from inside a call;
 * agent_link_destroy is allowed in each of them.
 */
#ifndef SALLYPORT_SUPERVISOR_AGENT_LINK_H
#define SALLYPORT_SUPERVISOR_AGENT_LINK_H

#include "base/error.h"
#include "base/span.h"
#include "loop/loop.h"

#include <sys/types.h>

#define AGENT_PROCESSES_MAX 1024u           /* that run at once, by one agent */
#define AGENT_CALLS_MAX     1024u           /* open calls of one agent */
#define AGENT_WORDS_MAX     (1024u * 1024u) /* bytes of env, and of argv */

struct agent_link;

struct agent_events {
    void (*ready)(void *arg); /* once: the agent is up */
    /* The last callback is one of these two. */
    void (*gone)(void *arg);                    /* it has ended, as it does when the sandbox ends */
    void (*broken)(void *arg, const char *why); /* one sentence, printable */
};

/* Takes fd (given, also on failure). */
int agent_link_start(struct loop *loop, int fd, const struct agent_events *events, void *arg,
                     struct agent_link **out, struct error *err);
/* No callback any more. NULL is allowed. */
void agent_link_destroy(struct agent_link *l);
/* No more callback with this arg, of a process or a call; what it started goes on. */
void agent_link_forget(struct agent_link *l, const void *arg);

/* ---- processes ---- */

enum agent_end {
    AGENT_END_EXIT,    /* number: the exit status */
    AGENT_END_SIGNAL,  /* number: the signal */
    AGENT_END_TIMEOUT, /* number: SIGKILL */
    AGENT_END_LOST,    /* its sandbox or agent ended first; number 0 */
};
const char *agent_end_name(enum agent_end how); /* as RUNTIME_PROCESS has it */

struct agent_process_events {
    void (*started)(void *arg, uint32_t process, pid_t pid_inside);
    /* Instead of started, and the last callback. status 125 to 127; sentence is printable, lent. */
    void (*refused)(void *arg, uint32_t process, int status, struct span sentence);
    void (*ended)(void *arg, uint32_t process, enum agent_end how, int number); /* last callback */
};

/* The fields of AGENT_RUN; all lent until agent_link_run returns. They may come from a runtime as
 * they are: what the protocol does not allow is refused here. */
struct agent_run {
    bool is_main;           /* flag m, which is not taken from `flags` */
    struct span flags;      /* letters of "tsfbi" */
    struct span timeout_ms; /* decimal text, empty: none */
    struct span session;
    struct span label;
    struct span cwd;
    struct span env;  /* a NUL behind each */
    struct span argv; /* a NUL behind each */
    int fds[3];       /* the inner ends, in the order 0 (with i), 1, 2; duplicated */
    size_t fd_count;
};

/* The number of the process, 0 on failure: nothing was sent. */
uint32_t agent_link_run(struct agent_link *l, const struct agent_run *run,
                        const struct agent_process_events *events, void *arg, struct error *err);
/* To the group of a process of agent_link_run; nothing happens when it has ended. */
int agent_link_signal(struct agent_link *l, uint32_t process, int signum, struct error *err);

/* Pipes for one process, made here; all close-on-exec, the outer ends non-blocking too. */
struct agent_pipes {
    int inner[3]; /* as agent_run.fds wants them */
    size_t count;
    int outer[3]; /* by stream: write 0, read 1 and 2; -1: none */
};
/* As many as the flags say: 1 and 2, 0 with i, none with b. Flag t is the caller's pty. With f, 0
 * is a socket: its reader tells an end that was said, by shutdown, from a writer that is gone. */
int agent_pipes_open(struct agent_pipes *p, struct span flags, struct error *err);
void agent_pipes_handed(struct agent_pipes *p); /* the inner ends were sent: closes them */
void agent_pipes_close(struct agent_pipes *p);  /* what is left of both */

/* ---- calls ---- */

enum agent_reply { AGENT_REPLY_OK, AGENT_REPLY_ERROR, AGENT_REPLY_LOST };
/* payload is JSON of the agent, not parsed by anyone who trusts it, or the sentence. Lent. */
typedef void (*agent_reply_fn)(void *arg, enum agent_reply reply, struct span payload);

struct agent_session_call {
    struct span op; /* create, delete, list */
    struct span name;
    struct span cwd;
    struct span env; /* a NUL behind each */
};

/* Each: negative and nothing was sent, or fn is called once. */
int agent_link_session(struct agent_link *l, const struct agent_session_call *call,
                       agent_reply_fn fn, void *arg, struct error *err);
int agent_link_processes(struct agent_link *l, agent_reply_fn fn, void *arg, struct error *err);
/* fds: inner ends for stdout and stderr, duplicated. */
int agent_link_logs(struct agent_link *l, uint32_t process, bool follow, const int fds[2],
                    agent_reply_fn fn, void *arg, struct error *err);
int agent_link_process_forget(struct agent_link *l, uint32_t process, agent_reply_fn fn, void *arg,
                              struct error *err);

#endif
