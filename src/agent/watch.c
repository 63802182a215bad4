/*
 * watch: the file call of that name (docs/agent-protocol.md). It ends when nobody reads its output
 * any more. Who reads slowly is waited for: at most WATCH_OUT_BYTES wait here, then the events wait
 * in the kernel's queue, and when that is full, the call says that some were lost and ends.
 */
#include "agent/watch.h"

#include "agent/files.h"
#include "agent/glob.h"
#include "agent/json.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What is written to one file again and again meanwhile, the kernel makes one event of. */
#define GATHER_MS  10
#define MOVE_MS    20               /* between the two halves of a move */
#define UNASKED_MS (10 * 60 * 1000) /* of one that counts: nobody will ask again */

/* ---- output ---- */

/* false: there is no room at the moment. Nobody to read it: nobody to tell. */
static bool write_now(struct watch *w)
{
    const struct span s = buf_span(&w->out);
    const ssize_t n = s.len > 0 ? write(STDOUT_FILENO, s.ptr, s.len) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        _exit(0);
    }
    buf_consume(&w->out, n > 0 ? (size_t)n : 0);
    return n >= 0 || errno == EINTR;
}

static void write_some(struct watch *w)
{
    if (!write_now(w)) {
        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
        (void)poll(&out, 1, -1);
    }
}

static void put_line(struct watch *w, struct buf *line)
{
    while (!buf_append_span(&w->out, buf_span(line))) {
        if (buf_len(&w->out) == 0) {
            _exit(1); /* no memory for one line */
        }
        write_some(w);
    }
    buf_free(line);
}

/* `{"KEY":"TEXT"` and what follows. */
static void put(struct watch *w, const char *key, const char *text, const char *rest)
{
    struct buf line;
    buf_init(&line, 8u * PATH_MAX);
    if (!buf_appendf(&line, "{\"%s\":", key) || !json_string(&line, span_str(text)) ||
        !buf_append_str(&line, rest)) {
        _exit(1);
    }
    put_line(w, &line);
}

_Noreturn void watch_end(struct watch *w, const char *how, const char *why)
{
    put(w, how, why, "}\n");
    while (buf_len(&w->out) > 0) {
        write_some(w);
    }
    _exit(0);
}

/* ---- patterns ---- */

static bool any_matches(const struct watch *w, const char *path)
{
    for (char **p = w->patterns; *p != NULL; p++) {
        if (glob_in_path(*p, path)) {
            return true;
        }
    }
    return false;
}

bool watch_enters(const struct watch *w, const char *path)
{
    return w->include || !any_matches(w, path);
}

void watch_tell(struct watch *w, const char *event, const char *path, bool folder)
{
    if (*w->patterns != NULL && any_matches(w, path) != w->include) {
        return;
    }
    w->count++;
    if (!w->counts) {
        char rest[64];
        snprintf(rest, sizeof rest, ",\"event\":\"%s\",\"folder\":%s}\n", event,
                 folder ? "true" : "false");
        put(w, "path", path, rest);
    }
}

/* ---- the call ---- */

/* One component more, or one less. */
static size_t walk(char out[PATH_MAX], size_t len, const char *part, size_t part_len)
{
    if (part_len == 0 || (part_len == 1 && part[0] == '.')) {
        return len;
    }
    if (part_len == 2 && part[0] == '.' && part[1] == '.') {
        while (len > 0 && out[--len] != '/') {
        }
        return len;
    }
    out[len++] = '/';
    memcpy(out + len, part, part_len);
    return len + part_len;
}

/* Without `.`, `..` and double slashes, by its text alone. 0 or -errno. */
static int absolute(const char *path, char out[PATH_MAX])
{
    char all[PATH_MAX] = "";
    if (path[0] == '\0') {
        return -ENOENT;
    }
    if (path[0] != '/' && getcwd(all, sizeof all) == NULL) {
        return -errno;
    }
    size_t len = strlen(all);
    if (snprintf(all + len, sizeof all - len, "/%s", path) >= (int)(sizeof all - len)) {
        return -ENAMETOOLONG;
    }
    len = 0;
    for (const char *part = all; *part != '\0';) {
        const size_t n = strcspn(part, "/");
        len = walk(out, len, part, n);
        part += n + (part[n] == '/');
    }
    out[len] = '\0';
    if (len == 0) {
        memcpy(out, "/", 2);
    }
    return 0;
}

/* Descriptor on which it is heard that somebody asks for the count; -1: it is not that kind. */
static int asked_open(const struct watch *w)
{
    sigset_t ask;
    sigemptyset(&ask);
    sigaddset(&ask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &ask, NULL);
    return w->counts ? signalfd(-1, &ask, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static void answer(struct watch *w, int asked)
{
    struct signalfd_siginfo info;
    char text[24];
    if (read(asked, &info, sizeof info) == sizeof info) {
        watch_read(w); /* all that was done before the question */
        snprintf(text, sizeof text, "%llu", (unsigned long long)w->count);
        put(w, "count", text, "}\n");
        w->until = clock_monotonic_ms() + UNASKED_MS;
    }
}

/* Until when there is nothing to do unless a descriptor says so; -1: for ever. */
static int time_left(struct watch *w, uint64_t again)
{
    const uint64_t now = clock_monotonic_ms();
    if (now < again) {
        return (int)(again - now);
    }
    if (w->folders.detached > 0) {
        return MOVE_MS;
    }
    return !w->counts ? -1 : now < w->until ? (int)(w->until - now) : 0;
}

static _Noreturn void serve(struct watch *w, int asked)
{
    uint64_t again = 0; /* when events are read again */
    w->until = clock_monotonic_ms() + UNASKED_MS;
    while (!w->counts || clock_monotonic_ms() < w->until) {
        const bool gathering = clock_monotonic_ms() < again;
        struct pollfd fds[3] = {
            {.fd = STDOUT_FILENO, .events = buf_len(&w->out) > 0 ? POLLOUT : 0},
            {.fd = asked, .events = POLLIN},
            {.fd = gathering ? -1 : w->fd, .events = POLLIN},
        };
        const int ready = poll(fds, 3, time_left(w, again));
        if ((fds[0].revents & POLLERR) != 0) {
            break;
        }
        if (ready == 0 && !gathering) {
            watch_forget_lost(w);
        }
        if (fds[1].revents != 0) {
            answer(w, asked);
        }
        if (fds[2].revents != 0) {
            watch_read(w);
            again = clock_monotonic_ms() + GATHER_MS;
        }
        (void)write_now(w);
    }
    _exit(0);
}

/* PATH [recursive] [count] [include|exclude PATTERN…] */
int files_watch(char **args)
{
    static struct watch w;
    static char root[PATH_MAX];
    char **a = args + 1;
    for (; *a != NULL && strcmp(*a, "include") != 0 && strcmp(*a, "exclude") != 0; a++) {
        w.recursive = w.recursive || strcmp(*a, "recursive") == 0;
        w.counts = w.counts || strcmp(*a, "count") == 0;
    }
    w.include = *a != NULL && strcmp(*a, "include") == 0;
    w.patterns = *a != NULL ? a + 1 : a;
    buf_init(&w.out, WATCH_OUT_BYTES);
    w.root = root;
    const int asked = asked_open(&w);
    int rc = w.counts && asked < 0 ? -errno : 0;
    const int flags = fcntl(STDOUT_FILENO, F_GETFL);
    rc = rc == 0 && fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) != 0 ? -errno : rc;
    rc = rc == 0 ? absolute(args[0], root) : rc;
    rc = rc == 0 ? watch_open(&w) : rc;
    if (rc < 0) {
        return files_fail(-rc, args[0]);
    }
    put(&w, "watching", root, "}\n");
    serve(&w, asked);
}
