/*
 * process: what code runs in a sandbox, from its start until its end has been told.
 */
#ifndef SALLYPORT_RUNTIME_PROCESS_H
#define SALLYPORT_RUNTIME_PROCESS_H

#include "runtime/instance.h"

struct process;

/* started is the supervisor's JSON with its number. NULL: memory, or no number; then nobody is
 * told of its end, and its output ends with the pipe. */
struct process *process_add(struct instance *inst, struct version *v, struct span started);
/* which 0: standard output, 1: standard error; the source is the reader's. p NULL: nothing. */
void process_output(struct process *p, size_t which, struct source *source);

/* RUNTIME_PROCESS. Told to whose code started it, and to the code of the moment, which may have it
 * from the agent's list: it was started before this code, or by no code. */
void process_ended(struct runtime *rt, const struct ipc_message *m);
/* The sandbox has ended: those of which no end was told are lost. */
void process_lost_all(struct instance *inst);
/* The instance goes: nobody is told. */
void process_forget_all(struct instance *inst);
/* The version goes: nobody is told of those that it started. */
void process_version_gone(struct instance *inst, const struct version *v);

#endif
