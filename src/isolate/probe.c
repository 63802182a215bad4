/*
 * probe: each mechanism is tried for real, in a child that ends with what it changed.
 */
#include "isolate/probe.h"

#include "base/cleanup.h"
#include "isolate/keyring.h"
#include "isolate/landlock.h"
#include "isolate/listen.h"
#include "isolate/mounts.h"
#include "isolate/netns.h"
#include "isolate/nft.h"
#include "isolate/pty.h"
#include "isolate/seccomp.h"
#include "isolate/secretmem.h"
#include "isolate/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534u

struct probe {
    const char *name;
    enum isolate_check_result otherwise; /* what a failure means */
    int (*try)(struct error *err);       /* in a child; text on success: what was found */
    const char *remedy;
    void (*find_remedy)(char *out, size_t size); /* looks closer; may leave it as it is */
};

/* "0", "1" … of a file of /proc/sys, -1 when there is none. */
static int sysctl_value(const char *path)
{
    char text[32] = {0};
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? atoi(text) : -1;
}

static int found(struct error *err, const char *text)
{
    error_set(err, 0, "%s", text);
    return 0;
}

/* What the launcher does before namespaces when root starts it. */
static int be_ordinary(struct error *err)
{
    return geteuid() == 0 ? isolate_userns_become(NOBODY, NOBODY, err) : 0;
}

static int enter(struct error *err)
{
    int rc = be_ordinary(err);
    return rc == 0 ? isolate_userns_enter(CLONE_NEWNET | CLONE_NEWNS, err) : rc;
}

static int try_kernel(struct error *err)
{
    struct utsname u;
    unsigned major = 0;
    unsigned minor = 0;
    if (uname(&u) != 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
        return error_set(err, 0, "unknown");
    }
    const bool ok = major > 5 || (major == 5 && minor >= 12);
    error_set(err, 0, "Linux %s", u.release);
    return ok ? 0 : -1;
}

static int try_namespaces(struct error *err)
{
    int rc = enter(err);
    return rc == 0 ? found(err, "user, network and mount namespaces without root") : rc;
}

static void namespaces_remedy(char *out, size_t size)
{
    if (sysctl_value("/proc/sys/kernel/unprivileged_userns_clone") == 0) {
        snprintf(out, size, "sysctl -w kernel.unprivileged_userns_clone=1");
    } else if (sysctl_value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1) {
        snprintf(out, size,
                 "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile "
                 "with `userns,` for sallyport-launcher and bwrap");
    } else if (sysctl_value("/proc/sys/user/max_user_namespaces") == 0) {
        snprintf(out, size, "sysctl -w user.max_user_namespaces=10000");
    }
}

static int try_routes(struct error *err)
{
    bool ipv6 = false;
    int rc = enter(err);
    if (rc == 0) {
        rc = isolate_netns_setup(&ipv6, err);
    }
    return rc == 0 ? found(err, ipv6 ? "IPv4 and IPv6" : "IPv4 only: the kernel has no IPv6") : rc;
}

static int try_rules(struct error *err)
{
    bool ipv6 = false;
    struct isolate_sockets s;
    int rc = enter(err);
    if (rc == 0) {
        rc = isolate_netns_setup(&ipv6, err);
    }
    if (rc == 0) {
        rc = isolate_nft_install(ipv6, err);
    }
    if (rc == 0) {
        rc = isolate_listen_open(ipv6, &s, err);
    }
    return rc == 0 ? found(err, "nf_tables with tproxy, transparent sockets") : rc;
}

static int try_filter(struct error *err)
{
    static const struct isolate_syscall list[] = {ISOLATE_ALLOW(write)};
    int fd;
    int rc = isolate_seccomp_sandbox_fd(true, &fd, err);
    if (rc == 0) {
        found(err, "filters load");
        struct error why;
        rc = isolate_seccomp_allow(list, 1, ISOLATE_SECCOMP_EPERM, &why);
        if (rc < 0) {
            *err = why;
        }
    }
    return rc;
}

static int try_landlock(struct error *err)
{
    const int abi = isolate_landlock_abi();
    if (abi == 0) {
        return error_set(err, 0,
                         "not in this kernel, or off: our own processes keep seccomp and "
                         "their namespaces");
    }
    error_set(err, 0, "ABI %d%s", abi,
              abi >= 6   ? ""
              : abi >= 4 ? ": no scopes before 6"
                         : ": neither TCP rules (4) nor scopes (6)");
    return abi >= 4 ? 0 : -1;
}

static int try_secret_memory(struct error *err)
{
    bool secret = false;
    int fd = isolate_secretmem_create(32, &secret, err);
    if (fd < 0) {
        return fd;
    }
    if (!secret) {
        return error_set(err, 0, "no memfd_secret: keys lie in sealed, locked memory instead");
    }
    return found(err, "memfd_secret");
}

static int try_keyring(struct error *err)
{
    int rc = isolate_keyring_new_session(err);
    return rc == 0 ? found(err, "new session keyrings") : rc;
}

static int try_terminal(struct error *err)
{
    struct isolate_pty pty;
    int rc = isolate_pty_open(-1, &pty, err);
    return rc == 0 ? found(err, "devpts") : rc;
}

/* The folder that the question was asked in is a likely bind. */
static int try_idmap(struct error *err)
{
    const struct isolate_idmap map = {.to_uid = NOBODY, .to_gid = NOBODY};
    const struct isolate_clone how = {.map = &map};
    int tree;
    int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, errno, "open the current folder");
    }
    if (isolate_mounts_clone(fd, &how, &tree, err) < 0) {
        return error_prefix(err, "current folder: folders of root here can only be bound :ro");
    }
    return found(err, "current folder can be id-mapped");
}

const char *isolate_bubblewrap(void)
{
    static const char *const places[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

static int try_bubblewrap(struct error *err)
{
    int out[2];
    const char *program = isolate_bubblewrap();
    if (program == NULL) {
        return error_set(err, 0, "not found in /usr/bin, /usr/local/bin or /bin");
    }
    int rc = be_ordinary(err);
    if (rc < 0) {
        return rc;
    }
    if (pipe2(out, O_CLOEXEC) != 0) {
        return error_set(err, errno, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        execl(program, "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind",
              "/", "/", "--proc", "/proc", "--dev", "/dev", "--size", "4096", "--tmpfs", "/tmp",
              "/usr/bin/true", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    char text[200] = {0};
    ssize_t n = read(out[0], text, sizeof(text) - 1);
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
        return error_set(err, 0, "%s", n > 0 ? text : "failed");
    }
    return found(err, "runs, with a /proc of its own");
}

static void bubblewrap_remedy(char *out, size_t size)
{
    if (isolate_bubblewrap() != NULL) {
        snprintf(out, size,
                 "in a container, start it with --security-opt systempaths=unconfined; "
                 "else see the check of namespaces");
    }
}

static const struct probe probes[] = {
    {"kernel", ISOLATE_CHECK_MISSING, try_kernel, "Linux 5.12 or later", NULL},
    {"user namespaces", ISOLATE_CHECK_MISSING, try_namespaces,
     "the kernel needs CONFIG_USER_NS and CONFIG_NET_NS", namespaces_remedy},
    {"routes", ISOLATE_CHECK_MISSING, try_routes,
     "see the check of namespaces; /proc/sys must not "
     "be read-only",
     NULL},
    {"packet rules", ISOLATE_CHECK_MISSING, try_rules,
     "modprobe nf_tables nft_tproxy nft_reject_inet", NULL},
    {"bubblewrap", ISOLATE_CHECK_MISSING, try_bubblewrap, "apt-get install bubblewrap",
     bubblewrap_remedy},
    {"system call filter", ISOLATE_CHECK_MISSING, try_filter,
     "the kernel needs CONFIG_SECCOMP_FILTER", NULL},
    {"terminals", ISOLATE_CHECK_MISSING, try_terminal, "mount -t devpts devpts /dev/pts", NULL},
    {"session keyring", ISOLATE_CHECK_MISSING, try_keyring, "sysctl -w kernel.keys.maxkeys=2000",
     NULL},
    {"landlock", ISOLATE_CHECK_WARN, try_landlock,
     "Linux 6.12 or later, with landlock in lsm=", NULL},
    {"secret memory", ISOLATE_CHECK_WARN, try_secret_memory,
     "boot with secretmem.enable=1 (Linux 5.14 or later)", NULL},
};
static const struct probe probe_idmap = {"id-mapped mounts", ISOLATE_CHECK_WARN, try_idmap,
                                         "keep projects on ext4, xfs, btrfs or (Linux 6.3) tmpfs",
                                         NULL};

static void run(const struct probe *p, struct isolate_check *out)
{
    int pipes[2];
    struct error err = {0};
    struct {
        int rc;
        struct error err;
    } answer = {.rc = -1};
    *out = (struct isolate_check){.name = p->name, .result = p->otherwise};
    fflush(NULL);
    pid_t pid = pipe2(pipes, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid < 0) {
        snprintf(out->detail, sizeof(out->detail), "could not be tried: %s", strerror(errno));
        return;
    }
    if (pid == 0) {
        answer.rc = p->try(&err);
        answer.err = err;
        _exit(write(pipes[1], &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? 0 : 1);
    }
    close(pipes[1]);
    const bool heard = read(pipes[0], &answer, sizeof(answer)) == (ssize_t)sizeof(answer);
    close(pipes[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    snprintf(out->detail, sizeof(out->detail), "%.190s",
             heard ? answer.err.text : "the attempt was killed");
    if (heard && answer.rc == 0) {
        out->result = ISOLATE_CHECK_OK;
        return;
    }
    snprintf(out->remedy, sizeof(out->remedy), "%s", p->remedy);
    if (p->find_remedy != NULL) {
        p->find_remedy(out->remedy, sizeof(out->remedy));
    }
}

size_t isolate_probe(struct isolate_check out[ISOLATE_CHECKS_MAX])
{
    const size_t count = sizeof(probes) / sizeof(probes[0]);
    _Static_assert(sizeof(probes) / sizeof(probes[0]) < ISOLATE_CHECKS_MAX, "room for all");
    for (size_t i = 0; i < count; i++) {
        run(&probes[i], &out[i]);
    }
    if (geteuid() != 0) {
        return count;
    }
    run(&probe_idmap, &out[count]);
    return count + 1;
}
