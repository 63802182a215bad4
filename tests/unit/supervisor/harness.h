/*
 * harness: a supervisor with stand-ins for its children, as a process.
 */
#ifndef SALLYPORT_TESTS_SUPERVISOR_HARNESS_H
#define SALLYPORT_TESTS_SUPERVISOR_HARNESS_H

#include "config/spec.h"

#include <sys/types.h>

struct run {
    char dir[64]; /* of its own, removed by run_end */
    char socket[108];
    struct spec spec;
    pid_t pid;
    int out; /* its stdout and stderr, joined */
};

void run_init(struct run *r, const char *id, const char *const *argv);
/* A daemon, with the control socket DIR/run/up.sock and the state DIR/state. */
void up_init(struct run *r);
/* folder: where the programs are */
void run_start(struct run *r, const char *folder);
/* Reads its output until `part` has come. Fails after a deadline. */
void run_expect(struct run *r, const char *part);
/* Reads to the end of its output, reaps it; the shell's exit status. Fails after a deadline. */
int run_wait(struct run *r, char *output, size_t size);
void run_end(struct run *r); /* kills it if it runs */

int run_connect(const struct run *r); /* to the control socket; -1: nobody listens */
/* One call of the control API: the status; the body in text. 0 when it cannot be reached. */
int run_ask(struct run *r, const char *method, const char *path, const char *body, char *text,
            size_t size);
/* Asks again and again until the body of GET path has `part` in it. Fails after a deadline. */
void run_until(struct run *r, const char *path, const char *part, char *text, size_t size);
/* The number behind `"name":` */
long number_of(const char *json, const char *name);

#endif
