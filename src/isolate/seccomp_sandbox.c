/*
 * seccomp_sandbox: what untrusted code must not call. Everything else stays allowed: the network
 * namespace, not this filter, keeps it in; the filter closes the ways around a network namespace.
 */
#include "isolate/seccomp.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

struct refusal {
    int nr;
    int answer;
};

/* io_uring makes sockets and connects past a filter on socket(); ENOSYS makes its users fall back.
 * The others are not needed by programs and have a long record of kernel holes, or reach what is
 * per user and not per namespace (keys), or files by handle past every mount. */
static const struct refusal refused[] = {
    {SYS_io_uring_setup, ENOSYS},
    {SYS_io_uring_enter, ENOSYS},
    {SYS_io_uring_register, ENOSYS},
    {SYS_keyctl, EPERM},
    {SYS_add_key, EPERM},
    {SYS_request_key, EPERM},
    {SYS_bpf, EPERM},
    {SYS_perf_event_open, EPERM},
    {SYS_userfaultfd, EPERM},
    {SYS_open_by_handle_at, EPERM},
    /* A nested mount namespace that dropped the old tree could rename a folder which is a mount
     * point everywhere else, and so step around what is pinned there. */
    {SYS_umount2, EPERM}};

static int refuse(scmp_filter_ctx ctx, int nr, int answer, unsigned count,
                  const struct scmp_arg_cmp *cmp)
{
    return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)answer), nr, count, cmp);
}

/* Refuses every value of an argument but those in keep (ascending), each other condition held. A
 * value with higher bits set is above the last one, so it is refused too. */
static int refuse_others(scmp_filter_ctx ctx, int nr, const struct scmp_arg_cmp *also, unsigned arg,
                         const unsigned *keep, size_t keep_count)
{
    struct scmp_arg_cmp cmp[2];
    const unsigned n = also != NULL ? 2 : 1;
    if (also != NULL) {
        cmp[1] = *also;
    }
    size_t k = 0;
    for (unsigned value = 0; value < keep[keep_count - 1]; value++) {
        if (value == keep[k]) {
            k++;
            continue;
        }
        cmp[0] = SCMP_CMP64(arg, SCMP_CMP_EQ, value);
        int rc = refuse(ctx, nr, EPERM, n, cmp);
        if (rc != 0) {
            return rc;
        }
    }
    cmp[0] = SCMP_CMP64(arg, SCMP_CMP_GT, keep[keep_count - 1]);
    return refuse(ctx, nr, EPERM, n, cmp);
}

static int refuse_sockets(scmp_filter_ctx ctx)
{
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned protocols[] = {NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_KOBJECT_UEVENT};
    const struct scmp_arg_cmp netlink = SCMP_CMP64(0, SCMP_CMP_EQ, AF_NETLINK);
    int rc = refuse_others(ctx, SYS_socket, NULL, 0, families, 4);
    return rc != 0 ? rc : refuse_others(ctx, SYS_socket, &netlink, 2, protocols, 3);
}

/* Both put bytes into a terminal's input as if its user had typed them. The kernel looks at the low
 * half of the argument only. */
static int refuse_terminal_input(scmp_filter_ctx ctx)
{
    static const unsigned requests[] = {TIOCSTI, TIOCLINUX};
    for (size_t i = 0; i < 2; i++) {
        const struct scmp_arg_cmp cmp = SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]);
        int rc = refuse(ctx, SYS_ioctl, EPERM, 1, &cmp);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* Calls that give a file a mode, with the argument that holds it; and the one that says whether a
 * file is made at all, for the open family. */
static const struct {
    int nr;
    unsigned mode;
    int flags;
} mode_calls[] = {
    {SYS_chmod, 1, -1},     {SYS_fchmod, 1, -1}, {SYS_fchmodat, 2, -1},
    {SYS_fchmodat2, 2, -1}, {SYS_mknod, 1, -1},  {SYS_mknodat, 2, -1},
    {SYS_creat, 1, -1},     {SYS_open, 2, 1},    {SYS_openat, 3, 2},
};

/* A set-id file in an id-mapped folder is a set-id file of the folder's owner on the host. */
static int refuse_set_id(scmp_filter_ctx ctx)
{
    static const unsigned bits[] = {S_ISUID, S_ISGID};
    static const unsigned makes[] = {O_CREAT, O_TMPFILE & ~(unsigned)O_DIRECTORY};
    for (size_t i = 0; i < sizeof(mode_calls) / sizeof(mode_calls[0]); i++) {
        for (size_t b = 0; b < 2; b++) {
            struct scmp_arg_cmp cmp[2] = {
                SCMP_CMP64(mode_calls[i].mode, SCMP_CMP_MASKED_EQ, bits[b], bits[b])};
            for (size_t m = 0; m < 2; m++) {
                const bool opens = mode_calls[i].flags >= 0;
                if (opens) {
                    cmp[1] = SCMP_CMP64((unsigned)mode_calls[i].flags, SCMP_CMP_MASKED_EQ, makes[m],
                                        makes[m]);
                } else if (m > 0) {
                    break;
                }
                int rc = refuse(ctx, mode_calls[i].nr, EPERM, opens ? 2 : 1, cmp);
                if (rc != 0) {
                    return rc;
                }
            }
        }
    }
    return refuse(ctx, SYS_openat2, ENOSYS, 0, NULL); /* its mode is in memory; users fall back */
}

int isolate_seccomp_sandbox_fd(bool strict_modes, int *fd, struct error *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (ctx == NULL) {
        return error_set(err, ENOMEM, "sandbox filter: start");
    }
    cleanup_close int out = -1;
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; rc == 0 && i < sizeof(refused) / sizeof(refused[0]); i++) {
        rc = refuse(ctx, refused[i].nr, refused[i].answer, 0, NULL);
    }
    if (rc == 0) {
        rc = refuse_sockets(ctx);
    }
    if (rc == 0) {
        rc = refuse_terminal_input(ctx);
    }
    if (rc == 0 && strict_modes) {
        rc = refuse_set_id(ctx);
    }
    if (rc == 0) {
        out = memfd_create("filter", MFD_CLOEXEC);
        rc = out < 0 ? -errno : seccomp_export_bpf(ctx, out);
    }
    seccomp_release(ctx);
    if (rc == 0 && lseek(out, 0, SEEK_SET) != 0) {
        rc = -errno;
    }
    if (rc != 0) {
        return error_set(err, -rc, "sandbox filter");
    }
    *fd = steal_fd(&out);
    return 0;
}
