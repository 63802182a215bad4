#include "runtime/confine.h"

#include "base/log.h"
#include "isolate/landlock.h"
#include "isolate/process.h"
#include "isolate/rlimits.h"
#include "isolate/seccomp.h"
#include "isolate/userns.h"
#include "runtime/runtime.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* One line a call. The engine's threads, its collector and JIT need the first two groups; the JIT's
 * pool is mapped from the start, so nothing new becomes executable. */
static const struct isolate_syscall allowed[] = {
    /* memory */
    ISOLATE_ALLOW_IF(mmap, 2, PROT_EXEC, 0),
    ISOLATE_ALLOW_IF(mprotect, 2, PROT_EXEC, 0),
    ISOLATE_ALLOW(munmap),
    ISOLATE_ALLOW(mremap),
    ISOLATE_ALLOW(madvise),
    ISOLATE_ALLOW(brk),
    /* secrets at rest: a rotation makes new memory */
    ISOLATE_ALLOW(memfd_secret),
    ISOLATE_ALLOW(memfd_create),
    ISOLATE_ALLOW(ftruncate),
    ISOLATE_ALLOW(mlock),
    ISOLATE_ALLOW(munlock),
    /* threads, signals and clocks */
    ISOLATE_ALLOW(futex),
    ISOLATE_ALLOW_IF(clone, 0, CLONE_THREAD, CLONE_THREAD),
    ISOLATE_ANSWER(clone3, ENOSYS), /* flags in memory: glibc uses clone then */
    ISOLATE_ALLOW(set_robust_list),
    ISOLATE_ALLOW(rseq),
    ISOLATE_ALLOW(exit),
    ISOLATE_ALLOW(exit_group),
    ISOLATE_ALLOW(gettid),
    ISOLATE_ALLOW(getpid),
    ISOLATE_ALLOW(tgkill), /* the collector stops threads; abort */
    ISOLATE_ALLOW(rt_sigprocmask),
    ISOLATE_ALLOW(rt_sigaction),
    ISOLATE_ALLOW(rt_sigreturn),
    ISOLATE_ALLOW(rt_sigsuspend),
    ISOLATE_ALLOW(sigaltstack),
    ISOLATE_ALLOW(restart_syscall),
    ISOLATE_ALLOW(sched_yield),
    ISOLATE_ALLOW(sched_getaffinity),
    ISOLATE_ALLOW(sched_getparam),
    ISOLATE_ALLOW(sched_getscheduler),
    ISOLATE_ALLOW(sched_setscheduler),
    ISOLATE_ALLOW(sched_get_priority_min),
    ISOLATE_ALLOW(sched_get_priority_max),
    ISOLATE_ALLOW_EQ(prctl, 0, PR_SET_NAME),
    ISOLATE_ALLOW_EQ(prctl, 0, PR_GET_NAME),
    ISOLATE_ALLOW(prlimit64),
    ISOLATE_ALLOW(getrusage),
    ISOLATE_ALLOW(sysinfo),
    ISOLATE_ALLOW(membarrier),
    ISOLATE_ALLOW(getrandom),
    ISOLATE_ALLOW(clock_gettime),
    ISOLATE_ALLOW(clock_getres),
    ISOLATE_ALLOW(clock_nanosleep),
    ISOLATE_ALLOW(nanosleep),
    ISOLATE_ALLOW(gettimeofday),
    /* the loop and what it watches */
    ISOLATE_ALLOW(read),
    ISOLATE_ALLOW(write),
    ISOLATE_ALLOW(readv),
    ISOLATE_ALLOW(writev),
    ISOLATE_ALLOW(pread64), /* /proc/self/statm, opened before */
    ISOLATE_ALLOW(close),
    ISOLATE_ALLOW(lseek),
    ISOLATE_ALLOW(fcntl),
    ISOLATE_ALLOW(dup),
    ISOLATE_ALLOW(eventfd2),
    ISOLATE_ALLOW(epoll_ctl),
    ISOLATE_ALLOW(epoll_wait),
    ISOLATE_ALLOW(epoll_pwait),
    ISOLATE_ALLOW(poll),
    ISOLATE_ALLOW(ppoll),
    ISOLATE_ALLOW_EQ(ioctl, 1, FIONBIO),
    ISOLATE_ALLOW_EQ(ioctl, 1, FIONREAD),
    /* dialling out and the supervisor's channel; no listen, no accept */
    ISOLATE_ALLOW_EQ(socket, 0, AF_INET),
    ISOLATE_ALLOW_EQ(socket, 0, AF_INET6),
    ISOLATE_ALLOW(connect),
    ISOLATE_ALLOW(bind),
    ISOLATE_ALLOW(sendto),
    ISOLATE_ALLOW(sendmsg),
    ISOLATE_ALLOW(sendmmsg),
    ISOLATE_ALLOW(recvfrom),
    ISOLATE_ALLOW(recvmsg),
    ISOLATE_ALLOW(shutdown),
    ISOLATE_ALLOW(getsockname),
    ISOLATE_ALLOW(getpeername),
    ISOLATE_ALLOW(getsockopt),
    ISOLATE_ALLOW(setsockopt),
    ISOLATE_ALLOW(fstat),
};

/* Libraries look for files of theirs: there are none. */
static const struct isolate_syscall no_files[] = {
    ISOLATE_ANSWER(openat, ENOENT),
    ISOLATE_ANSWER(open, ENOENT),
    ISOLATE_ALLOW_EQ(newfstatat, 3, AT_EMPTY_PATH), /* how glibc spells fstat */
    ISOLATE_ANSWER(stat, ENOENT),
    ISOLATE_ANSWER(statx, ENOENT),
    ISOLATE_ANSWER(access, ENOENT),
    ISOLATE_ANSWER(readlink, ENOENT),
};

/* What SQLite calls; Landlock holds every thread below objects_dir. */
static const struct isolate_syscall storage_files[] = {
    ISOLATE_ALLOW(openat),     ISOLATE_ALLOW(open),
    ISOLATE_ALLOW(newfstatat), ISOLATE_ALLOW(stat),
    ISOLATE_ALLOW(lstat),      ISOLATE_ANSWER(statx, ENOENT),
    ISOLATE_ALLOW(access),     ISOLATE_ALLOW(faccessat),
    ISOLATE_ALLOW(readlink),   ISOLATE_ALLOW(mkdir),
    ISOLATE_ALLOW(unlink),     ISOLATE_ALLOW(pwrite64),
    ISOLATE_ALLOW(fdatasync),  ISOLATE_ALLOW(fsync),
    ISOLATE_ALLOW(fchown), /* as root it gives its log to the owner of the database */
    ISOLATE_ALLOW(geteuid),
};

#define LANDLOCK_FLAGS (ISOLATE_LANDLOCK_NO_TCP_BIND | ISOLATE_LANDLOCK_SCOPED)

int confine_early(struct error *err)
{
    struct isolate_rlimits limits = ISOLATE_RLIMITS_KEEP;
    limits.core_bytes = 0;
    limits.nofile = 16384;
    struct sched_param param = {0};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of the write, as a full disk is */
    if (isolate_process_hide(err) != 0 || isolate_process_no_new_privs(err) != 0 ||
        isolate_rlimits_apply(&limits, err) != 0) {
        return -1;
    }
    /* As root: whoever takes this process over has root's files to look for, not root's rights.
     * Before there are threads, for each has its own. */
    if (isolate_userns_drop_capabilities(err) != 0) {
        return -1;
    }
    /* Keeps the side that is woken from cutting the other's batch short; only costs if refused. */
    if (sched_setscheduler(0, SCHED_BATCH, &param) != 0) {
        log_debug("SCHED_BATCH: refused");
    }
    return 0;
}

int confine_files(struct runtime *rt, struct error *err)
{
    const char *dir = rt->app.objects_dir.ptr;
    if (dir == NULL) {
        rt->storage_refused = "objects have no storage here: no folder was given for it";
        return 0;
    }
    if (!rt->confine) {
        return 0;
    }
    if (isolate_landlock_abi() == 0) {
        rt->storage_refused = "objects have no storage here: this kernel has no Landlock, and "
                              "without it the runtime may open no file: boot with lsm=landlock,…";
        return 0;
    }
    /* The engine seeds itself and looks at its own stack when it starts. */
    const struct isolate_landlock_path paths[] = {
        {dir, ISOLATE_LANDLOCK_READ | ISOLATE_LANDLOCK_WRITE},
        {"/dev/urandom", ISOLATE_LANDLOCK_READ},
        {"/proc/self", ISOLATE_LANDLOCK_READ},
    };
    int abi = isolate_landlock_restrict(paths, 3, LANDLOCK_FLAGS, err);
    return abi < 0 ? abi : 0;
}

int confine(struct runtime *rt, struct error *err)
{
    bool storage = rt->storage_refused == NULL;
    const struct isolate_landlock_path dir = {rt->app.objects_dir.ptr,
                                              ISOLATE_LANDLOCK_READ | ISOLATE_LANDLOCK_WRITE};
    const struct isolate_syscall *files = storage ? storage_files : no_files;
    size_t file_count =
        storage ? sizeof storage_files / sizeof *storage_files : sizeof no_files / sizeof *no_files;
    struct isolate_syscall
        all[sizeof allowed / sizeof *allowed + sizeof storage_files / sizeof *storage_files];
    size_t count = sizeof allowed / sizeof *allowed;
    static_assert(sizeof storage_files >= sizeof no_files, "room for either list");
    int abi = isolate_landlock_restrict(&dir, storage ? 1 : 0, LANDLOCK_FLAGS, err);
    if (abi < 0) {
        return abi;
    }
    memcpy(all, allowed, sizeof allowed);
    memcpy(all + count, files, file_count * sizeof *files);
    return isolate_seccomp_allow(all, count + file_count, ISOLATE_SECCOMP_EPERM, err);
}
