/*
 * files: the file calls of docs/agent-protocol.md, each in a process of its own: descriptors 0, 1
 * and 2 are its contents and its voice, the working directory is the session's.
 */
#ifndef SALLYPORT_AGENT_FILES_H
#define SALLYPORT_AGENT_FILES_H

#include <stddef.h>

/* The exit status: 0, or 1 with one line on 2 (none for `exists`). */
int files_call(char **argv);

/* ---- between the files of this part ---- */

/* The line `CODE: path: what`; returns 1, the exit status. */
int files_fail(int code, const char *path);
/* Of a call that has two: with the one that stands in the way. */
int files_fail_of_two(int code, const char *from, const char *to);
/* From one descriptor to its end into another. 0 or -errno; *at_source: it was the reading. */
int files_copy(int from, int to, int *at_source);
/* Each: 0 or an exit status, having said why. */
int files_write(const char *path);
int files_remove(const char *path);
int files_move(const char *from, const char *to);
int files_connect(const char *port);
int files_watch(char **args);

#endif
