/*
 * daemon: the daemon of a test, started before it and stopped behind it, and calls of its API.
 */
#ifndef SALLYPORT_TESTS_SUPERVISOR_DAEMON_H
#define SALLYPORT_TESTS_SUPERVISOR_DAEMON_H

#include "harness.h"

#include <stdbool.h>

#define DEADLINE_MS 10000u

extern struct run up;
extern const char *folder; /* where the programs are: main sets it */
extern char text[1 << 20]; /* the body of the last answer */
extern char output[65536]; /* for run_wait */

#define WITH_DAEMON(t) cmocka_unit_test_setup_teardown(t, daemon_start, daemon_stop)
int daemon_start(void **state);
/* By SIGTERM, which has to end it with 0; one that ended is only cleared away. */
int daemon_stop(void **state);
/* Kills it and starts another on its state. */
void daemon_again(void);

/* One call: the status, 0 when it cannot be reached. */
int ask(const char *method, const char *path, const char *body);
/* The same as a POST that has to have this status and `part` in its answer. */
void expect(const char *path, const char *body, int status, const char *part);
/* Asks until the answer has `part`. */
void until(const char *method, const char *path, const char *body, const char *part);
void create(const char *name); /* an instance, until it runs */

/* An exec that was upgraded. */
struct duplex {
    int fd;
    size_t len;
    unsigned char bytes[1 << 17];
};

void duplex_open(struct duplex *d, const char *body); /* on instance a */
void frame_send(struct duplex *d, unsigned char type, const void *bytes, size_t len);
/* false: the other end has closed. */
bool frame_try(struct duplex *d, unsigned char type, const void *bytes, size_t len);
/* The next frame: its type; the payload in d->bytes. */
int frame_take(struct duplex *d);
int frame_take_but_credit(struct duplex *d);

#endif
