/*
 * inside: what a test of the launcher runs in the sandbox, statically linked and copied into the
 * bind. `inside NAME [ARG…]` ends with 0 when what NAME says holds, else prints why.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("inside: %d: %s: %s\n", __LINE__, #cond, strerror(errno));                      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define REFUSED(call, code) CHECK((call) < 0 && errno == (code))

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return n < 0 ? -1 : 0;
}

/* Nothing but lo, nothing of the host, every way around the namespace refused. */
static void network(char **args)
{
    (void)args;
    struct if_nameindex *list = if_nameindex();
    CHECK(list != NULL && strcmp(list[0].if_name, "lo") == 0 && list[1].if_name == NULL);
    struct ifreq down = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REFUSED(ioctl(fd, SIOCSIFFLAGS, &down), EPERM);
    REFUSED(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0), EPERM);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 12 /* NETFILTER */), EPERM);
    REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPERM);
    CHECK(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) < 0);
    REFUSED(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
    REFUSED(ioctl(0, TIOCSTI, "x"), EPERM);
    FILE *unix_sockets = fopen("/proc/net/unix", "re");
    char line[256];
    int count = 0;
    while (unix_sockets != NULL && fgets(line, sizeof(line), unix_sockets) != NULL) {
        count++;
    }
    CHECK(count == 1); /* its head: no abstract socket of the host */
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    memcpy(abstract.sun_path, "\0launcher-test", 14);
    int un = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REFUSED(connect(un, (const struct sockaddr *)&abstract, sizeof(sa_family_t) + 14),
            ECONNREFUSED);
}

/* 0, 1, 2 and no other, none of them a socket or a folder; no keys, no capabilities. */
static void descriptors(char **args)
{
    (void)args;
    struct stat st;
    for (int fd = 3; fd < 256; fd++) {
        CHECK(fcntl(fd, F_GETFD) < 0);
    }
    for (int fd = 0; fd < 3; fd++) {
        CHECK(fstat(fd, &st) == 0 && !S_ISSOCK(st.st_mode) && !S_ISDIR(st.st_mode));
    }
    CHECK(getpid() == 2 && getsid(0) == getpid());
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned seen = 0;
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        static const char *const want[] = {
            "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
            "CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
            "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"};
        for (unsigned i = 0; i < 6; i++) {
            seen |= strncmp(line, want[i], strlen(want[i])) == 0 ? 1u << i : 0;
        }
    }
    CHECK(seen == 63);
    CHECK(getuid() != 0 && geteuid() != 0);
}

static void map_ids(uid_t uid, gid_t gid)
{
    char text[64];
    CHECK(write_text("/proc/self/setgroups", "deny") == 0);
    snprintf(text, sizeof(text), "0 %u 1", uid);
    CHECK(write_text("/proc/self/uid_map", text) == 0);
    snprintf(text, sizeof(text), "0 %u 1", gid);
    CHECK(write_text("/proc/self/gid_map", text) == 0);
}

/* args[0]: the bound folder, with .git and .dev.vars in it. */
static void nested(char **args)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    char old[512];
    char byte;
    CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    map_ids(uid, gid);
    CHECK(mkdir("/tmp/n", 0755) == 0 && mount("t", "/tmp/n", "tmpfs", 0, NULL) == 0);
    CHECK(mkdir("/tmp/n/old", 0755) == 0 && chdir("/tmp/n") == 0);
    CHECK(syscall(SYS_pivot_root, ".", "old") == 0);
    snprintf(old, sizeof(old), "/old%s", args[0]);
    int dir = open(old, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir >= 0);
    REFUSED(umount2("/old", MNT_DETACH), EPERM);
    REFUSED(renameat(dir, ".git", dir, "other"), EBUSY);
    REFUSED(renameat(dir, ".dev.vars", dir, "other"), EBUSY);
    REFUSED(unlinkat(dir, ".dev.vars", 0), EBUSY);
    int fd = openat(dir, ".dev.vars", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, &byte, 1) == 0);
    /* No second way to what lies under the mounts. */
    char options[600];
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=/u,workdir=/w,userxattr", old);
    CHECK(mkdir("/u", 0755) == 0 && mkdir("/w", 0755) == 0 && mkdir("/b", 0755) == 0);
    CHECK(mount("o", "/b", "overlay", 0, options) != 0);
    REFUSED(mount(old, "/b", NULL, MS_BIND, NULL), EINVAL);
    REFUSED(syscall(SYS_open_tree, AT_FDCWD, old, 1 /* clone */), EINVAL);
    snprintf(options, sizeof(options), "%s/.dev.vars", old);
    REFUSED(mount(NULL, options, NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
    CHECK(unshare(CLONE_NEWNET) == 0); /* a network of its own leads nowhere */
}

static int dial(const char *host, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    const bool is4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    CHECK(is4 || inet_pton(AF_INET6, host, &v6.sin6_addr) == 1);
    int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = is4 ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
                 : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
    return rc == 0 ? fd : -1;
}

/* args: address and port; sends one line, prints what comes back. */
static void connects(char **args)
{
    char text[64] = {0};
    int fd = dial(args[0], atoi(args[1]));
    CHECK(fd >= 0 && write(fd, "ask\n", 4) == 4);
    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    printf("%s", text);
}

static void loopback(char **args)
{
    (void)args;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (const struct sockaddr *)&at, sizeof(at)) == 0);
    CHECK(listen(listener, 1) == 0);
    CHECK(dial("127.0.0.1", 80) >= 0);
    REFUSED(dial("127.0.0.1", 1), ECONNREFUSED);
    REFUSED(dial("::1", 1), ECONNREFUSED);
    REFUSED(dial("127.0.0.1", 8080), ECONNREFUSED);
}

/* args[0]: a path that must not be connectable. */
static void no_socket(char **args)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", args[0]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0);
}

/* Leaves a child in a session of its own, says its name, and waits for ever. */
static void lingers(char **args)
{
    (void)args;
    if (fork() == 0) {
        setsid();
        pause();
    }
    CHECK(write(1, "ready\n", 6) == 6);
    pause();
}

/* args[0]: a signal; ends with 7 when it comes. */
static void on_signal(int signum)
{
    (void)signum;
    _exit(7);
}

static void catches(char **args)
{
    CHECK(signal(atoi(args[0]), on_signal) != SIG_ERR);
    CHECK(write(1, "ready\n", 6) == 6);
    pause();
}

/* Orphans of ours are reaped by process 1. */
static void orphans(char **args)
{
    (void)args;
    int alive[2];
    char byte;
    CHECK(pipe(alive) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        if (fork() == 0) {
            close(alive[0]);
            _exit(0);
        }
        _exit(0);
    }
    close(alive[1]);
    CHECK(waitpid(middle, NULL, 0) == middle);
    CHECK(read(alive[0], &byte, 1) == 0); /* both are gone */
    for (int i = 0; i < 1000; i++) {      /* until nothing but 1 and us is left */
        int count = 0;
        DIR *proc = opendir("/proc");
        for (struct dirent *e; proc != NULL && (e = readdir(proc)) != NULL;) {
            count += atoi(e->d_name) > 0 ? 1 : 0;
        }
        closedir(proc);
        if (count == 2) {
            return;
        }
        sched_yield();
    }
    CHECK(!"a zombie stays");
}

static void terminal(char **args)
{
    (void)args;
    struct winsize size;
    CHECK(isatty(0) == 1 && ioctl(0, TIOCGWINSZ, &size) == 0);
    CHECK(tcgetpgrp(0) == getpgrp() && open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0);
    REFUSED(ioctl(0, TIOCSTI, "x"), EPERM);
    printf("%dx%d\n", size.ws_col, size.ws_row);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(char **args);
    } table[] = {{"network", network},   {"descriptors", descriptors}, {"nested", nested},
                 {"connects", connects}, {"loopback", loopback},       {"no-socket", no_socket},
                 {"lingers", lingers},   {"catches", catches},         {"orphans", orphans},
                 {"terminal", terminal}};
    for (size_t i = 0; argc > 1 && i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(argv[1], table[i].name) == 0) {
            table[i].fn(argv + 2);
            return 0;
        }
    }
    return 2;
}
