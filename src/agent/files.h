/*
 * files: the file calls of docs/agent-protocol.md, each in a process of its own: descriptors 0, 1
 * and 2 are its contents and its voice, the working directory is the session's.
 */
#ifndef SALLYPORT_AGENT_FILES_H
#define SALLYPORT_AGENT_FILES_H

/* The exit status: 0, or 1 with one line on 2 (none for `exists`). */
int files_call(char **argv);

#endif
