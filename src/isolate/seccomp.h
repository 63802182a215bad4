/*
 * seccomp: the sandbox's filter (what it must not call), and allow-lists for our own processes
 * (what they may call and nothing else).
 *
 * An allow-list stands beside the code of its process, one line a call with the reason:
 *
 *     static const struct isolate_syscall allowed[] = {
 *         ISOLATE_ALLOW(read),
 *         ISOLATE_ALLOW_IF(mmap, 2, PROT_EXEC, 0),            argument 2 & PROT_EXEC == 0
 *         ISOLATE_ALLOW_IF(clone, 0, CLONE_THREAD, CLONE_THREAD),
 *         ISOLATE_ALLOW_EQ(prctl, 0, PR_SET_NAME),            one line per value
 *         ISOLATE_ANSWER(clone3, ENOSYS),                     flags in memory: glibc uses clone
 * then
 *     };
 *
 * Lines of the same call add up: one that fits is enough.
 */
#ifndef SALLYPORT_ISOLATE_SECCOMP_H
#define SALLYPORT_ISOLATE_SECCOMP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

struct isolate_syscall {
    const char *name; /* for messages */
    int nr;           /* SYS_… */
    int answer;       /* 0: allowed, else the errno it gets */
    int arg;          /* argument that is compared, -1: none */
    uint64_t mask;    /* allowed when (argument & mask) == value */
    uint64_t value;
};

#define ISOLATE_ALLOW(n)                                                                           \
    {                                                                                              \
        .name = #n, .nr = SYS_##n, .arg = -1                                                       \
    }
#define ISOLATE_ALLOW_EQ(n, a, v)                                                                  \
    {                                                                                              \
        .name = #n, .nr = SYS_##n, .arg = (a), .mask = UINT32_MAX, .value = (uint64_t)(v)          \
    }
#define ISOLATE_ALLOW_IF(n, a, m, v)                                                               \
    {                                                                                              \
        .name = #n, .nr = SYS_##n, .arg = (a), .mask = (uint64_t)(m), .value = (uint64_t)(v)       \
    }
#define ISOLATE_ANSWER(n, e)                                                                       \
    {                                                                                              \
        .name = #n, .nr = SYS_##n, .answer = (e), .arg = -1                                        \
    }

enum isolate_seccomp_default {
    ISOLATE_SECCOMP_EPERM, /* any other call answers EPERM */
    ISOLATE_SECCOMP_KILL,  /* any other call ends the process (SIGSYS) */
};

/* Installs the list on every thread of the process (TSYNC) and sets no_new_privs. Cannot be undone.
 * With SALLYPORT_LOG=debug a refused call is named on stderr first; it is refused all the same. */
int isolate_seccomp_allow(const struct isolate_syscall *list, size_t count,
                          enum isolate_seccomp_default otherwise, struct error *err);

/* The filter of design 3.3 as classic BPF in a memfd (given, CLOEXEC off is the caller's business),
 * for bubblewrap's --seccomp. The set-user-id bit is refused always; id_mapped refuses
 * set-group-id and extended attributes as well: for a sandbox whose files belong to somebody else
 * on disk. */
int isolate_seccomp_sandbox_fd(bool id_mapped, int *fd, struct error *err);

#endif
