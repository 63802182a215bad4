/*
 * log: one line a fact on descriptor 2, `sallyport-ROLE[ID]: level: text`.
 *
 * Control bytes in the text become `\xNN`, so that hostile bytes can neither forge a line nor
 * steer a terminal. What descriptor 2 has no room for is lost (a line, or the rest of one that
 * is longer than PIPE_BUF): a reader that has stopped reading must not stop the gate. A secret, a
 * header value or a body never goes here.
 */
#ifndef SALLYPORT_BASE_LOG_H
#define SALLYPORT_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR_, LOG_WARN_, LOG_INFO_, LOG_DEBUG_ };

/* role is kept by pointer and lives as long as the process. id may be NULL.
 * Level from SALLYPORT_LOG (error, warn, info, debug) when the environment has it, else warn. */
void log_open(const char *role, const char *id);
/* The level where the environment names none. */
void log_usual(enum log_level level);
/* While the terminal behind descriptor 2 is in raw mode a line needs its carriage return. */
void log_terminal_raw(bool raw);
/* One whole line of the caller's, escaped by it; the newline is added here. */
void log_line(const char *bytes, size_t len);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR_, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN_, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO_, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG_, __VA_ARGS__)

#endif
