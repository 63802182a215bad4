/*
 * child: test bodies that change what cannot be changed back (namespaces, filters, uid) run in a
 * child of their own, as root where the tests run as root, and as an ordinary user.
 */
#ifndef SALLYPORT_TESTS_CHILD_H
#define SALLYPORT_TESTS_CHILD_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define CHILD_ORDINARY 65534u /* "nobody": any uid that is not root will do */

/* Ends the child as failed, saying where. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #cond, errno);            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
/* The same for a function that fills a struct error named err. */
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, err.text);                          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Exit status of fn run in a child, 128+n for a signal. */
int child_run(void (*fn)(void));
/* The same as CHILD_ORDINARY when the caller is root, else as the caller. */
int child_run_ordinary(void (*fn)(void));

#endif
