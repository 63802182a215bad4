/*
 * probe: what this machine allows, for `sallyport doctor`.
 */
#ifndef SALLYPORT_ISOLATE_PROBE_H
#define SALLYPORT_ISOLATE_PROBE_H

#include <stddef.h>

enum isolate_check_result {
    ISOLATE_CHECK_OK,
    ISOLATE_CHECK_WARN,   /* works, with less protection than it could have */
    ISOLATE_CHECK_MISSING /* a sandbox cannot start */
};

struct isolate_check {
    const char *name; /* a few words: "user namespaces" */
    enum isolate_check_result result;
    char detail[200]; /* what was found, or what is missing and why it matters */
    char remedy[200]; /* the command or setting that mends it; empty when ok */
};

#define ISOLATE_CHECKS_MAX 24

/* The bubblewrap that starts sandboxes: one of the system's, whatever PATH says. NULL: none. */
const char *isolate_bubblewrap(void);

/* Tries each thing in short-lived children, as the user who asks. Returns how many were filled. */
size_t isolate_probe(struct isolate_check out[ISOLATE_CHECKS_MAX]);

#endif
