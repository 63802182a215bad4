#include "isolate/process.h"

#include "isolate/rlimits.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *title_start;
static size_t title_room;

void isolate_process_title_init(int argc, char **argv)
{
    if (argc < 1) {
        return;
    }
    /* argv and environ lie behind one another; only what is joined without a gap may be used. */
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++) {
        end = argv[i] + strlen(argv[i]) + 1;
    }
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **moved = calloc(count + 1, sizeof(*moved));
    if (moved != NULL) {
        for (size_t i = 0; i < count; i++) {
            moved[i] = strdup(environ[i]);
            if (moved[i] == NULL) {
                return; /* the title keeps the room of argv[0]; what was copied is one small leak */
            }
        }
        for (size_t i = 0; i < count && environ[i] == end; i++) {
            end = environ[i] + strlen(environ[i]) + 1;
        }
        environ = moved;
    }
    title_start = argv[0];
    title_room = (size_t)(end - argv[0]);
}

void isolate_process_title(const char *fmt, ...)
{
    if (title_start == NULL || title_room < 2) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    explicit_bzero(title_start, title_room);
    size_t len = strlen(text);
    if (len > title_room - 1) {
        len = title_room - 1;
    }
    memcpy(title_start, text, len);
}

int isolate_process_hide(struct error *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return error_set(err, errno, "hide the process from ptrace");
    }
    struct isolate_rlimits limits = ISOLATE_RLIMITS_KEEP;
    limits.core_bytes = 0;
    return isolate_rlimits_apply(&limits, err);
}

int isolate_process_no_new_privs(struct error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set(err, errno, "set no_new_privs");
    }
    return 0;
}

int isolate_process_die_with_parent(pid_t parent, struct error *err)
{
    pid_t now = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return error_set(err, errno, "ask for a signal at the parent's death");
    }
    /* It may have died before the call, then nobody will ever send the signal. */
    if (getppid() != (parent != 0 ? parent : now)) {
        return error_set(err, ESRCH, "the parent is gone");
    }
    return 0;
}

void isolate_process_reset_signals(void)
{
    /* Past the C library, which keeps two signals for itself and refuses to touch them; its own
     * posix_spawn leaves those ignored. All zero is the kernel's structure for the default. */
    static const unsigned long dfl[8];
    for (int i = 1; i <= 64; i++) {
        if (i != SIGKILL && i != SIGSTOP) {
            (void)syscall(SYS_rt_sigaction, i, dfl, NULL, 8);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
}
