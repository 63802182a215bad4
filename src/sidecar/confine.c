/*
 * What the sidecar gives up, in this order:
 *
 *   1. its network and user namespaces, for empty ones: no route, no capability;
 *   2. the sight of others (dumpable 0), core files, new descriptors beyond its clients;
 *   3. the file system, wholly (Landlock without a path), and TCP by name;
 *   4. every system call but those below. None makes a socket, opens a file, starts a program or
 *      makes memory executable.
 */
#include "sidecar/sidecar.h"

#include "base/cleanup.h"
#include "isolate/landlock.h"
#include "isolate/process.h"
#include "isolate/rlimits.h"
#include "isolate/seccomp.h"
#include "isolate/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define DESCRIPTORS (SIDECAR_CLIENTS_MAX + SIDECAR_DNS_TCP_MAX + 64u)

static const struct isolate_syscall allowed[] = {
    /* clients, gate, DNS, the supervisor's channel */
    ISOLATE_ALLOW(accept4),
    ISOLATE_ALLOW(recvfrom),
    ISOLATE_ALLOW(sendto),
    ISOLATE_ALLOW(recvmsg),
    ISOLATE_ALLOW(sendmsg),
    ISOLATE_ALLOW(read),
    ISOLATE_ALLOW(write),
    ISOLATE_ALLOW(writev),
    ISOLATE_ALLOW(poll), /* whether a message has room */
    ISOLATE_ALLOW(close),
    ISOLATE_ALLOW(shutdown),
    ISOLATE_ALLOW(getsockname),
    ISOLATE_ALLOW(getpeername),
    ISOLATE_ALLOW(getsockopt),
    ISOLATE_ALLOW(setsockopt),
    ISOLATE_ALLOW_EQ(fcntl, 1, F_GETFL),
    ISOLATE_ALLOW_EQ(fcntl, 1, F_SETFL),
    ISOLATE_ALLOW_EQ(fcntl, 1, F_GETFD),
    ISOLATE_ALLOW_EQ(fcntl, 1, F_SETFD),
    ISOLATE_ALLOW_EQ(fcntl, 1, F_DUPFD_CLOEXEC),
    ISOLATE_ALLOW(ioctl), /* FIONBIO of libuv; the descriptors are sockets */
    /* the loop */
    ISOLATE_ALLOW(epoll_wait),
    ISOLATE_ALLOW(epoll_pwait),
    ISOLATE_ALLOW(epoll_ctl),
    ISOLATE_ALLOW(clock_gettime),
    ISOLATE_ALLOW(gettimeofday),
    ISOLATE_ALLOW(time),
    ISOLATE_ALLOW(restart_syscall),
    ISOLATE_ALLOW(rt_sigprocmask),
    ISOLATE_ALLOW(rt_sigreturn),
    ISOLATE_ALLOW(rt_sigaction),
    /* memory, never executable */
    ISOLATE_ALLOW_IF(mmap, 2, PROT_EXEC, 0),
    ISOLATE_ALLOW_IF(mprotect, 2, PROT_EXEC, 0),
    ISOLATE_ALLOW(munmap),
    ISOLATE_ALLOW(mremap),
    ISOLATE_ALLOW(madvise),
    ISOLATE_ALLOW(brk),
    ISOLATE_ALLOW(futex),
    /* OpenSSL */
    ISOLATE_ALLOW(getrandom),
    ISOLATE_ALLOW(getpid),
    ISOLATE_ALLOW(gettid),
    /* the end: exit, and abort() of a broken invariant */
    ISOLATE_ALLOW(exit),
    ISOLATE_ALLOW(exit_group),
    ISOLATE_ALLOW_EQ(tgkill, 2, 6),
    /* asked by libraries that take no for an answer */
    ISOLATE_ANSWER(openat, EACCES),
    ISOLATE_ANSWER(open, EACCES),
    ISOLATE_ANSWER(newfstatat, EACCES),
    ISOLATE_ANSWER(socket, EACCES),
    ISOLATE_ANSWER(uname, EPERM),
};

int sidecar_enter_namespaces(struct sidecar_fds *fds, struct error *err)
{
    int rc = isolate_userns_join(fds->user_ns, fds->net_ns, err);
    close_fd(&fds->user_ns);
    close_fd(&fds->net_ns);
    return rc == 0 ? isolate_process_die_with_parent(0, err) : rc;
}

int sidecar_confine(struct error *err)
{
    struct isolate_rlimits limits = ISOLATE_RLIMITS_KEEP;
    limits.nofile = DESCRIPTORS;
    limits.core_bytes = 0;
    limits.file_bytes = 0;
    int rc = isolate_process_hide(err);
    if (rc == 0) {
        rc = isolate_rlimits_apply(&limits, err);
    }
    if (rc == 0) {
        /* A woken sidecar must not pre-empt a runtime that is still filling a batch. A kernel that
         * refuses costs speed, nothing else. */
        struct sched_param none = {0};
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
        rc = isolate_landlock_restrict(NULL, 0, ISOLATE_LANDLOCK_NO_TCP | ISOLATE_LANDLOCK_SCOPED,
                                       err);
    }
    if (rc >= 0) {
        rc = isolate_seccomp_allow(allowed, sizeof allowed / sizeof allowed[0],
                                   ISOLATE_SECCOMP_KILL, err);
    }
    return rc < 0 ? rc : 0;
}
