#include "agent/files.h"

#include "agent/json.h"
#include "agent/tree.h"
#include "base/cleanup.h"
#include "base/write.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#define CHUNK     (128u * 1024u)
#define LINE_MAX_ (128u * 1024u) /* of one entry: a path of tree.c, each byte of it escaped */

int files_fail(int code, const char *path)
{
    const char *name = strerrorname_np(code);
    fflush(stdout);
    dprintf(STDERR_FILENO, "%s: %s: %s\n", name != NULL ? name : "EIO", path, strerror(code));
    return 1;
}

int files_fail_of_two(int code, const char *from, const char *to)
{
    struct stat st;
    const bool of_place = code == ENOENT || code == ENOTDIR || code == EISDIR || code == EEXIST ||
                          code == ENOTEMPTY || code == EINVAL || code == ENAMETOOLONG;
    return files_fail(code, of_place && lstat(from, &st) == 0 ? to : from);
}

/* Nothing may come for ever, of a FIFO that nobody opens too: not when nobody waits for it. */
static void wait_readable(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[0].revents == 0) {
        raise(SIGPIPE);
    }
}

int files_copy(int from, int to, int *at_source)
{
    static char chunk[CHUNK];
    for (;;) {
        const ssize_t n = read(from, chunk, sizeof chunk);
        if (n < 0 && errno == EAGAIN) {
            wait_readable(from);
            continue;
        }
        *at_source = n < 0;
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        const int rc = write_all(to, span_of(chunk, n > 0 ? (size_t)n : 0));
        if (rc < 0) {
            return rc;
        }
    }
}

static int call_read(char **args)
{
    int at_source;
    cleanup_close int fd = open(args[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return files_fail(errno, args[0]);
    }
    if (S_ISDIR(st.st_mode)) {
        return files_fail(EISDIR, args[0]);
    }
    if (S_ISFIFO(st.st_mode)) {
        wait_readable(fd); /* without a writer it would be at its end */
    }
    const int rc = files_copy(fd, STDOUT_FILENO, &at_source);
    return rc < 0 ? files_fail(-rc, at_source ? args[0] : "output") : 0;
}

static const char *type_of(mode_t mode)
{
    return S_ISREG(mode)   ? "file"
           : S_ISDIR(mode) ? "directory"
           : S_ISLNK(mode) ? "symlink"
                           : "other";
}

static int tell(const char *name, const struct stat *st)
{
    struct buf line;
    buf_init(&line, LINE_MAX_);
    const long long ms = (long long)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
    const bool ok =
        buf_append_str(&line, "{\"name\":") && json_string(&line, span_str(name)) &&
        buf_appendf(&line, ",\"type\":\"%s\",\"size\":%lld,\"mode\":%u,\"mtime_ms\":%lld}\n",
                    type_of(st->st_mode), (long long)st->st_size, (unsigned)st->st_mode & 07777u,
                    ms) &&
        fwrite(line.mem + line.start, 1, buf_len(&line), stdout) == buf_len(&line);
    buf_free(&line);
    return ok ? 0 : -EIO;
}

static int call_stat(char **args)
{
    struct stat st;
    if (lstat(args[0], &st) != 0) {
        return files_fail(errno, args[0]);
    }
    for (size_t len = strlen(args[0]); len > 1 && args[0][len - 1] == '/'; len--) {
        args[0][len - 1] = '\0';
    }
    const char *name = strrchr(args[0], '/');
    name = name != NULL && name[1] != '\0' ? name + 1 : args[0];
    return tell(name, &st) == 0 && fflush(stdout) == 0 ? 0 : files_fail(EIO, "output");
}

struct listing {
    bool recursive;
    bool hidden;
    bool output_failed;
};

static int list_entry(void *arg, const struct tree_entry *e)
{
    struct listing *l = arg;
    if (e->leaving || e->path[0] == '\0') {
        return 0;
    }
    if (!l->hidden && e->name[0] == '.') {
        return TREE_SKIP;
    }
    if (tell(e->path, &e->st) < 0) {
        l->output_failed = true;
        return -EIO;
    }
    return l->recursive ? 0 : TREE_SKIP;
}

static bool has_option(char **args, const char *option)
{
    for (size_t i = 1; args[i] != NULL; i++) {
        if (strcmp(args[i], option) == 0) {
            return true;
        }
    }
    return false;
}

static int call_list(char **args)
{
    struct listing l = {has_option(args, "recursive"), has_option(args, "hidden"), false};
    const int rc = tree_walk(args[0], true, list_entry, &l);
    if (rc < 0) {
        return files_fail(-rc, l.output_failed ? "output" : args[0]);
    }
    return fflush(stdout) == 0 ? 0 : files_fail(errno, "output");
}

/* A folder that is there already is no failure. */
static int make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        const int code = errno;
        *slash = '/';
        if (!ok) {
            return -code;
        }
    }
    return 0;
}

static int call_mkdir(char **args)
{
    struct stat st;
    const bool recursive = has_option(args, "recursive");
    const int rc = recursive && args[0][0] != '\0' ? make_parents(args[0]) : 0;
    if (rc < 0) {
        return files_fail(-rc, args[0]);
    }
    if (mkdir(args[0], 0777) == 0) {
        return 0;
    }
    const int code = errno;
    if (recursive && code == EEXIST && stat(args[0], &st) == 0 && S_ISDIR(st.st_mode)) {
        return 0;
    }
    return files_fail(code, args[0]);
}

static int call_delete(char **args)
{
    struct stat st;
    if (has_option(args, "recursive")) {
        return files_remove(args[0]);
    }
    if (lstat(args[0], &st) != 0) {
        return files_fail(errno, args[0]);
    }
    if (S_ISDIR(st.st_mode)) {
        return rmdir(args[0]) == 0 ? 0 : files_fail(errno, args[0]);
    }
    return unlink(args[0]) == 0 ? 0 : files_fail(errno, args[0]);
}

static int call_rename(char **args)
{
    return rename(args[0], args[1]) == 0 ? 0 : files_fail_of_two(errno, args[0], args[1]);
}

static int call_exists(char **args)
{
    struct stat st;
    return stat(args[0], &st) == 0 ? 0 : 1;
}

static int call_write(char **args)
{
    if (args[0][0] != '\0' && has_option(args, "parents")) {
        const int rc = make_parents(args[0]);
        if (rc < 0) {
            return files_fail(-rc, args[0]);
        }
    }
    return files_write(args[0]);
}

static int call_move(char **args)
{
    return files_move(args[0], args[1]);
}

static int call_connect(char **args)
{
    return files_connect(args[0]);
}

int files_call(char **argv)
{
    static const struct {
        const char *name;
        size_t args; /* at least */
        int (*fn)(char **args);
    } calls[] = {
        {"read", 1, call_read},       {"write", 1, call_write},  {"stat", 1, call_stat},
        {"list", 1, call_list},       {"mkdir", 1, call_mkdir},  {"delete", 1, call_delete},
        {"rename", 2, call_rename},   {"move", 2, call_move},    {"exists", 1, call_exists},
        {"connect", 1, call_connect}, {"watch", 1, files_watch},
    };
    size_t count = 0;
    while (argv[count + 1] != NULL) {
        count++;
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(argv[0], calls[i].name) == 0) {
            return count >= calls[i].args ? calls[i].fn(argv + 1) : files_fail(EINVAL, argv[0]);
        }
    }
    return files_fail(ENOSYS, argv[0]);
}
