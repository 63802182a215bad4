/*
 * seccomp: allow-lists of our own processes. The sandbox's filter is seccomp_sandbox.c.
 */
#include "isolate/seccomp.h"

#include "isolate/process.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define NAMES_MAX 512

/* Debugging only: names by number, made before the filter holds, read inside the handler. */
static char *refused_names[NAMES_MAX];
static bool refused_kills;

static void on_refused(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    static const char head[] = "seccomp: refused: ";
    const int nr = info->si_syscall;
    const char *name =
        nr >= 0 && nr < NAMES_MAX && refused_names[nr] != NULL ? refused_names[nr] : "?";
    int saved = errno;
    if (write(STDERR_FILENO, head, sizeof(head) - 1) < 0 ||
        write(STDERR_FILENO, name, strlen(name)) < 0 || write(STDERR_FILENO, "\n", 1) < 0) {
        errno = saved; /* nobody to tell */
    }
    if (refused_kills) {
        _exit(128 + SIGSYS);
    }
#if defined(__x86_64__)
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    ((ucontext_t *)context)->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
    errno = saved;
}

static bool debugging(void)
{
    const char *level = getenv("SALLYPORT_LOG");
    return level != NULL && strcmp(level, "debug") == 0;
}

static int watch_refusals(bool kills)
{
    refused_kills = kills;
    for (int nr = 0; nr < NAMES_MAX; nr++) {
        refused_names[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    }
    struct sigaction act;
    memset(&act, 0, sizeof(act));
    act.sa_sigaction = on_refused;
    act.sa_flags = SA_SIGINFO | SA_NODEFER;
    return sigaction(SIGSYS, &act, NULL) == 0 ? 0 : -errno;
}

static int add(scmp_filter_ctx ctx, const struct isolate_syscall *s)
{
    uint32_t action = s->answer == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)s->answer);
    if (s->arg < 0) {
        return seccomp_rule_add(ctx, action, s->nr, 0);
    }
    struct scmp_arg_cmp cmp =
        SCMP_CMP64((unsigned)s->arg, SCMP_CMP_MASKED_EQ, s->mask, s->value & s->mask);
    return seccomp_rule_add_array(ctx, action, s->nr, 1, &cmp);
}

int isolate_seccomp_allow(const struct isolate_syscall *list, size_t count,
                          enum isolate_seccomp_default otherwise, struct error *err)
{
    const bool kills = otherwise == ISOLATE_SECCOMP_KILL;
    uint32_t action = kills ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM);
    if (debugging()) {
        int rc = watch_refusals(kills);
        if (rc < 0) {
            return error_set(err, -rc, "seccomp: catch SIGSYS");
        }
        action = SCMP_ACT_TRAP;
    }
    int rc = isolate_process_no_new_privs(err);
    if (rc < 0) {
        return rc;
    }
    scmp_filter_ctx ctx = seccomp_init(action);
    if (ctx == NULL) {
        return error_set(err, ENOMEM, "seccomp: start a filter");
    }
    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    /* A process must always be able to end and to return from a signal handler. */
    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_exit_group, 0);
    }
    if (rc == 0) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_rt_sigreturn, 0);
    }
    const char *where = "";
    for (size_t i = 0; rc == 0 && i < count; i++) {
        where = list[i].name;
        rc = add(ctx, &list[i]);
    }
    if (rc == 0) {
        where = "load";
        rc = seccomp_load(ctx);
    }
    seccomp_release(ctx);
    return rc == 0 ? 0 : error_set(err, -rc, "seccomp: %s", where);
}
