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
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
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
    {SYS_umount2, EPERM},
    /* Its flags are in memory, and one makes a mount namespace without the old tree (Linux 7.1).
     * Everybody falls back on clone. */
    {SYS_clone3, ENOSYS}};

/* A file capability set through an id-mapped mount counts on disk for the folder's owner's user
 * namespace: as root, for the host's. The name is in memory, so none can be set; programs take this
 * answer for a file system without attributes. */
static const int attribute_calls[] = {SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_setxattrat};

/* Other ways to a mount namespace without the old tree, with the flag that asks for it: see
 * umount2. Linux before 7.0 knows none of them and gives the same answer. */
static const struct {
    int nr;
    unsigned arg;
    unsigned flag;
} empty_namespaces[] = {
    {SYS_unshare, 0, 0x00100000}, /* UNSHARE_EMPTY_MNTNS */
    {SYS_open_tree, 2, 2},        /* OPEN_TREE_NAMESPACE */
    {SYS_open_tree_attr, 2, 2},   /* the same */
    {SYS_fsmount, 1, 2},          /* FSMOUNT_NAMESPACE */
};

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
    if (rc == 0) {
        rc = refuse_others(ctx, SYS_socketpair, NULL, 0, families, 1);
    }
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

static int refuse_empty_namespaces(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < sizeof(empty_namespaces) / sizeof(empty_namespaces[0]); i++) {
        const unsigned flag = empty_namespaces[i].flag;
        const struct scmp_arg_cmp cmp =
            SCMP_CMP64(empty_namespaces[i].arg, SCMP_CMP_MASKED_EQ, flag, flag);
        int rc = refuse(ctx, empty_namespaces[i].nr, EINVAL, 1, &cmp);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int refuse_attributes(scmp_filter_ctx ctx)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(attribute_calls) / sizeof(attribute_calls[0]); i++) {
        rc = refuse(ctx, attribute_calls[i], EOPNOTSUPP, 0, NULL);
    }
    return rc;
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

/* A set-user-id file of the sandbox gives whoever runs it on the host the sandbox's uid there: in
 * an id-mapped folder that of its owner, else the user's own. Set-group-id is a habit of folders
 * too, and stays where files belong to the user. */
static int refuse_set_id(scmp_filter_ctx ctx, size_t bit_count)
{
    static const unsigned bits[] = {S_ISUID, S_ISGID};
    static const unsigned makes[] = {O_CREAT, O_TMPFILE & ~(unsigned)O_DIRECTORY};
    for (size_t i = 0; i < sizeof(mode_calls) / sizeof(mode_calls[0]); i++) {
        for (size_t b = 0; b < bit_count; b++) {
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

int isolate_seccomp_sandbox_fd(bool id_mapped, int *fd, struct error *err)
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
    if (rc == 0) {
        rc = refuse_empty_namespaces(ctx);
    }
    if (rc == 0) {
        rc = refuse_set_id(ctx, id_mapped ? 2 : 1);
    }
    if (rc == 0 && id_mapped) {
        rc = refuse_attributes(ctx);
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
