/*
 * agent: process 1 of a sandbox, as one object. docs/agent-protocol.md.
 */
#ifndef SALLYPORT_AGENT_AGENT_H
#define SALLYPORT_AGENT_AGENT_H

#include "agent/words.h"
#include "base/list.h"

#include <signal.h>
#include <sys/types.h>

#define AGENT_PROCESSES_MAX 1024u /* that run at once */
#define AGENT_BACKGROUND_MAX                                                                       \
    256u /* that run or are remembered; the oldest that ended goes first                           \
          */
#define AGENT_SESSIONS_MAX 256u
#define AGENT_WHY_BYTES    512u

struct background;

struct session {
    struct list node;
    char *name; /* empty: the default session */
    char *cwd;
    struct words env;
};

struct process {
    struct list node;
    uint32_t number;
    pid_t pid;
    bool is_main;
    bool timed_out;
    uint64_t deadline_ms; /* monotonic; 0: none */
    char *session;        /* name of the session that it leaves something to; NULL: to none */
    bool own_cwd;         /* its cwd was said: it is not the session's */
    struct words overlay; /* its env was said: what of it is unchanged at the end goes */
    struct background *background; /* NULL: not one */
};

struct agent {
    int socket;
    int signal_fd;
    char *self; /* path of this program, as the sandbox sees it */
    struct words env;
    char *cwd;
    struct list processes;
    size_t process_count;
    struct list sessions;
    size_t session_count;
    struct list backgrounds;
    size_t background_count;
    int null_fd;
    int ending; /* a signal that ends all; 0: none */
};

/* What came on the socket. */
struct ipc_message;
void agent_message(struct agent *a, struct ipc_message *msg);
/* Ends this process, and with it the sandbox. */
_Noreturn void agent_exit(int status);

/* ---- answers (say.c) ---- */

void say_ready(struct agent *a);
void say_started(struct agent *a, uint32_t process, pid_t pid);
void say_refused(struct agent *a, uint32_t process, int status, const char *why);
void say_exited(struct agent *a, uint32_t process, const char *how, int number);
void say_reply(struct agent *a, struct span seq, bool ok, struct span payload);
void say_error(struct agent *a, struct span seq, const char *why);
/* Digits; 0: it is no number of ours. */
uint32_t number_read(struct span s);

/* ---- processes (run.c, process.c) ---- */

void run_message(struct agent *a, struct ipc_message *msg);
struct process *process_by_number(struct agent *a, uint32_t number);
struct process *process_by_pid(struct agent *a, pid_t pid);
void process_free(struct agent *a, struct process *p);
/* To its group, which a file call that has just begun does not lead yet. */
void process_kill(const struct process *p, int signum);
/* Reaps whoever ended and tells of it. */
void processes_reap(struct agent *a);
/* A signal that came to this process: for the main one, or all. */
void processes_signal(struct agent *a, int signum);
/* Kills whose time is over; how long until the next, -1: none. */
int processes_timeout(struct agent *a);

/* ---- sessions (session.c, shell.c) ---- */

#define SESSION_TOO_MANY "session: too many: delete one"

bool sessions_open(struct agent *a);
struct session *session_find(struct agent *a, struct span name);
/* Made when there is none of that name. NULL: too many of them, or memory is out. */
struct session *session_take(struct agent *a, struct span name);
void session_message(struct agent *a, struct ipc_message *msg);
/* The arguments of a shell that runs `text`; with `leaves` it tells of its end by shell_left. */
bool shell_words(struct agent *a, const char *text, bool leaves, struct words *out);
/* A process says that a shell is about to end: takes cwd and environment from it. */
void shell_left(struct agent *a, pid_t teller);
/* What that process does: `agent snapshot PID`. */
int shell_tell(pid_t agent);
#define SHELL_SIGNAL (SIGRTMIN + 1)

#endif
