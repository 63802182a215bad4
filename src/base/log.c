#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048
#define PIECE_BYTES    (PIPE_BUF - 2u) /* and the newline */

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *log_role = "sallyport";
static char log_id[80];
static bool log_raw;
static enum log_level log_max = LOG_WARN_;
static bool log_named; /* the environment named the level */

void log_open(const char *role, const char *id)
{
    log_role = role;
    snprintf(log_id, sizeof log_id, id != NULL && *id != 0 ? "[%s]" : "%s", id != NULL ? id : "");
    const char *want = getenv("SALLYPORT_LOG");
    for (size_t i = 0; want != NULL && i < sizeof level_names / sizeof *level_names; i++) {
        if (strncmp(want, level_names[i], 4) == 0) {
            log_max = (enum log_level)i;
            log_named = true;
        }
    }
}

void log_usual(enum log_level level)
{
    log_max = log_named ? log_max : level;
}

void log_terminal_raw(bool raw)
{
    log_raw = raw;
}

/* A pipe that has room at all takes PIECE_BYTES without blocking, and not always more. */
static bool put_piece(const char *bytes, size_t len, const char *end)
{
    struct iovec iov[2] = {
        {(void *)(uintptr_t)bytes, len},
        {(void *)(uintptr_t)end, strlen(end)},
    };
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&room, 1, 0) > 0 && writev(STDERR_FILENO, iov, 2) >= 0;
}

void log_line(const char *bytes, size_t len)
{
    static bool torn; /* the rest of a long line was lost, its newline too */
    const char *end = log_raw ? "\r\n" : "\n";
    if (torn && !put_piece("", 0, end)) {
        return;
    }
    torn = false;
    while (len > PIECE_BYTES) {
        if (!put_piece(bytes, PIECE_BYTES, "")) {
            return;
        }
        torn = true;
        bytes += PIECE_BYTES;
        len -= PIECE_BYTES;
    }
    torn = !put_piece(bytes, len, end) && torn;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if (level > log_max) {
        return;
    }
    char text[LOG_LINE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);

    char line[LOG_LINE_BYTES * 2];
    int n = snprintf(line, sizeof line, "%s%s: %s: ", log_role, log_id, level_names[level]);
    size_t at = n > 0 ? (size_t)n : 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != 0 && at < sizeof line - 6;
         p++) {
        if (*p == '\n') { /* a stack, on one line */
            line[at++] = ' ';
            p += strspn((const char *)p + 1, " ");
        } else if (*p < 0x20 || *p == 0x7f) {
            at += (size_t)snprintf(line + at, 5, "\\x%02x", *p);
        } else {
            line[at++] = (char)*p;
        }
    }
    log_line(line, at);
}
