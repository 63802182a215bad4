/*
 * The engine stops code of its own by a fault that it handles (JSC's traps); a watch that js_loaded
 * has ended may still come to that once, seconds later. cmocka takes SIGSEGV for a failure of the
 * test: here it does not get the signal. A fault of ours ends the program. Included once by each
 * program with an engine.
 */
#ifndef TEST_JS_FAULTS_H
#define TEST_JS_FAULTS_H

#include <signal.h>

/* In the place of libc's, also for cmocka. */
__sighandler_t signal(int signum, __sighandler_t handler)
{
    struct sigaction now = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigaction before = {.sa_handler = SIG_DFL};
    if (signum == SIGSEGV || signum == SIGBUS) {
        return SIG_DFL;
    }
    return sigaction(signum, &now, &before) == 0 ? before.sa_handler : SIG_ERR;
}

#endif
