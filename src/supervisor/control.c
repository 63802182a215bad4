#include "supervisor/control.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/paths.h"
#include "supervisor/control_conn.h"
#include "supervisor/control_routes.h"
#include "supervisor/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define CONNECTIONS_MAX 512u

struct control {
    struct supervisor *s;
    int fd;
    int spare; /* its number is given up for one that cannot be served */
    struct loop_watch *watch;
    struct list conns;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Who asks must be us: our uid, in our user namespace. Inside a sandbox the uid can be ours. */
static bool peer_is_ours(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != geteuid() ||
        cred.pid <= 0) {
        return false;
    }
    cleanup_close int pidfd = -1;
    len = sizeof pidfd;
    bool exact = getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0;
    char path[64];
    struct stat theirs;
    struct stat mine;
    snprintf(path, sizeof path, "/proc/%d/ns/user", cred.pid);
    if (stat(path, &theirs) < 0 || stat("/proc/self/ns/user", &mine) < 0 ||
        theirs.st_ino != mine.st_ino || theirs.st_dev != mine.st_dev) {
        return false;
    }
    /* The number may have become another's: then the one that asked has ended. */
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return !exact || poll(&p, 1, 0) == 0;
}

#define BUSY                                                                                       \
    "{\"error\":{\"code\":\"unavailable\",\"message\":\"the control socket has as many callers "   \
    "as "                                                                                          \
    "it can have\",\"hint\":\"try again when some of them have ended\"}}"

/* It is given. What it asks is not read. */
static void turn_away(int fd)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       sizeof BUSY - 1, BUSY);
    (void)send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static int accept_one(const struct control *c)
{
    return accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Left in the queue, it would wake the loop again and again. */
static void accept_without_room(struct control *c)
{
    close_fd(&c->spare);
    int fd = accept_one(c);
    if (fd >= 0) {
        turn_away(fd);
    }
    c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_connection(void *arg, unsigned events)
{
    struct control *c = arg;
    (void)events;
    int fd = accept_one(c);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            accept_without_room(c);
        }
        return;
    }
    if (!peer_is_ours(fd)) {
        close(fd);
        return;
    }
    size_t count = 0;
    LIST_FOREACH(node, &c->conns)
    {
        count++;
    }
    if (count >= CONNECTIONS_MAX) {
        turn_away(fd);
        return;
    }
    conn_create(c->s->loop, fd, c->s, &c->conns, control_dispatch, NULL);
}

/* 1: somebody listens there (*pid, 0 when it is not known); 0: nobody, it is left over from a
 * process that was killed; negative: something that is not ours. */
static int socket_probe(const struct sockaddr_un *addr, pid_t *pid)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid()) {
        return -1;
    }
    cleanup_close int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = connect(probe, (const struct sockaddr *)(const void *)addr, sizeof *addr);
    bool there = rc == 0 || errno != ECONNREFUSED;
    struct ucred cred;
    socklen_t len = sizeof cred;
    bool known = rc == 0 && getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0;
    *pid = known ? cred.pid : 0;
    return there;
}

static int stale_remove(const struct supervisor *s, const struct sockaddr_un *addr,
                        struct error *err)
{
    pid_t pid;
    if (access(addr->sun_path, F_OK) < 0) {
        return 0;
    }
    int found = socket_probe(addr, &pid);
    if (found < 0) {
        return error_set(err, 0, "control socket %s: something else is there: remove it",
                         addr->sun_path);
    }
    if (found > 0) {
        return error_set(err, 0, "control socket %s: another sallyport has it, process %d: %s",
                         addr->sun_path, (int)pid,
                         s->spec->mode == SPEC_UP ? "stop it, or set SALLYPORT_SOCKET to another"
                                                  : "choose another --id");
    }
    unlink(addr->sun_path);
    return 0;
}

/* A run that was killed cannot take its socket away: the next one does. */
static void sweep(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        pid_t pid;
        size_t len = strlen(e->d_name);
        bool ours = strncmp(e->d_name, "run-", 4) == 0 && len > 5 &&
                    strcmp(e->d_name + len - 5, ".sock") == 0;
        if (!ours || strlen(dir) + 1 + len >= sizeof addr.sun_path) {
            continue;
        }
        stpcpy(stpcpy(stpcpy(addr.sun_path, dir), "/"), e->d_name);
        if (socket_probe(&addr, &pid) == 0) {
            unlink(addr.sun_path);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
}

/* Two that start at once must not remove each other's socket: the folder is locked meanwhile. */
static int bind_locked(const struct control *c, const struct sockaddr_un *addr, const char *dir,
                       struct error *err)
{
    cleanup_close int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) < 0) {
        return error_set(err, errno, "folder of the control socket %s", dir);
    }
    int rc = stale_remove(c->s, addr, err);
    if (rc < 0) {
        return rc;
    }
    sweep(dir);
    mode_t mask = umask(0177);
    rc = bind(c->fd, (const struct sockaddr *)(const void *)addr, sizeof *addr);
    int saved = errno;
    umask(mask);
    if (rc < 0 || listen(c->fd, 128) < 0) {
        return error_set(err, rc < 0 ? saved : errno, "control socket %s", addr->sun_path);
    }
    return 0;
}

static int folder_make(const char *path, char *dir, size_t size, struct error *err)
{
    struct stat st;
    snprintf(dir, size, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL || slash == dir) {
        return error_set(err, 0, "control socket %s: not in a folder of ours", path);
    }
    *slash = 0;
    int rc = paths_make_dir(dir, err);
    if (rc == 0 && (stat(dir, &st) < 0 || (st.st_uid != geteuid() && st.st_uid != 0))) {
        return error_set(err, 0, "folder of the control socket %s: it belongs to somebody else",
                         dir);
    }
    return rc;
}

int control_open(struct supervisor *s, struct control **out, struct error *err)
{
    if (s->spec->socket == NULL) {
        return 0;
    }
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char dir[sizeof addr.sun_path];
    if (strlen(s->spec->socket) >= sizeof addr.sun_path) {
        return error_set(err, 0, "control socket %s: the path is too long", s->spec->socket);
    }
    memcpy(addr.sun_path, s->spec->socket, strlen(s->spec->socket) + 1);
    struct control *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, ENOMEM, "control socket");
    }
    c->s = s;
    c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&c->conns);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = c->fd < 0 ? error_set(err, errno, "control socket") : 0;
    if (rc < 0 || (rc = folder_make(addr.sun_path, dir, sizeof dir, err)) < 0 ||
        (rc = bind_locked(c, &addr, dir, err)) < 0) {
        close_fd(&c->fd);
        close_fd(&c->spare);
        free(c);
        return rc;
    }
    memcpy(c->path, addr.sun_path, sizeof c->path);
    rc = loop_watch_start(s->loop, c->fd, LOOP_READ, on_connection, c, &c->watch, err);
    if (rc < 0) {
        control_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void control_close(struct control *c)
{
    if (c == NULL) {
        return;
    }
    unlink(c->path);
    loop_watch_cancel(c->watch);
    close_fd(&c->fd);
    close_fd(&c->spare);
    conn_destroy_all(&c->conns);
    free(c);
}
