/*
 * one: the agent that the tests of a group share, and what became of its last process.
 */
#ifndef SALLYPORT_TESTS_AGENT_ONE_H
#define SALLYPORT_TESTS_AGENT_ONE_H

#include "driver.h"

extern struct driver d;
extern struct outcome o;

int one_start(void **state);
int one_end(void **state);
/* From RUN to EXITED, with nothing else said. */
void run(const char *flags, const char *const *argv);
/* How the last process has to have ended. */
void expect(const char *how, int number);

#endif
