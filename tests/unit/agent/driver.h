/*
 * driver: an agent of this test's own, as an ordinary child, and the supervisor's part spoken to
 * it frame by frame.
 */
#ifndef SALLYPORT_TESTS_AGENT_DRIVER_H
#define SALLYPORT_TESTS_AGENT_DRIVER_H

#include "base/buf.h"
#include "ipc/conversations.h"

#include <stdint.h>
#include <sys/types.h>

struct driver {
    pid_t pid;
    int socket;
    char dir[64];           /* the sandbox's cwd; of its own, removed at the end */
    uint32_t last;          /* number of the last process or call */
    struct ipc_message msg; /* the last that was heard */
    struct buf body;
};

/* What became of one process. */
struct outcome {
    int status; /* of a refusal, else 0 */
    char why[1024];
    char how[16];
    int number;
    int pid;
    size_t out_len;
    char out[128 * 1024];
    char err[4096];
};

/* One RUN; what is NULL is empty. */
struct ask {
    const char *flags;
    const char *timeout;
    const char *session;
    const char *label;
    const char *cwd;
    const char *const *env;
    const char *const *argv;
    const void *input; /* for descriptor 0, when flag i stands */
    size_t input_len;
};

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

void driver_start(struct driver *d);
/* Ends it if it runs; its exit status, 128+n for a signal. */
int driver_end(struct driver *d);
/* Waits until it ends by itself. */
int driver_wait(struct driver *d);

/* Sends a RUN with these descriptors, which are closed here; its number. */
uint32_t driver_run(struct driver *d, const struct ask *ask, const int *fds, size_t fd_count);
/* The next frame, in d->msg; fails after a deadline. */
void driver_hear(struct driver *d);
/* Field i of d->msg, with a NUL. Lent until the next call. */
const char *driver_field(struct driver *d, size_t i);

/* From RUN to EXITED, with all that it wrote. */
void driver_do(struct driver *d, const struct ask *ask, struct outcome *o);
/* The same for a line of the shell in a session. */
void driver_shell(struct driver *d, const char *session, const char *line, struct outcome *o);

/* Sends a call and hears its REPLY: whether it was ok; the payload is driver_field(d, 2). */
bool driver_call(struct driver *d, uint16_t type, const char *const *fields, const int *fds);

#endif
