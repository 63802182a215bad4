/*
 * pipe: the ends of a process's pipes that are outside: its output as a source, and what is
 * written to its input.
 */
#ifndef SALLYPORT_RUNTIME_PIPE_H
#define SALLYPORT_RUNTIME_PIPE_H

#include "base/source.h"
#include "loop/loop.h"

/* fd (given) to its end. A writer that nobody knows of may hold the pipe for longer than the
 * process lives: after pipe_source_over the source ends where the pipe is empty. NULL: memory (fd
 * is closed). */
struct source *pipe_source(struct loop *loop, int fd, struct error *err);
/* The process has ended; what it wrote is in the pipe. */
void pipe_source_over(struct source *s);
/* Called with arg when the source is closed, so that nobody holds on to it. */
void pipe_source_closed(struct source *s, void (*closed)(void *arg), void *arg);

/* Writes the source (given) to fd (given) until its end, or until nobody reads, then closes both.
 * Of a socket the end of a whole source is a shutdown, and it is closed when it is stopped: so its
 * reader knows a source that broke, or a runtime that ended. It is in *pumps meanwhile; tag is what
 * it is stopped by, NULL when its process is not known: then even a whole source ends as one that
 * broke. */
struct pump_spec {
    struct loop *loop;
    struct list *pumps;
    const void *tag;
    int fd;
    struct source *source;
};
int pump_start(const struct pump_spec *spec, struct error *err);
/* tag NULL: all. */
void pump_stop(struct list *pumps, const void *tag);

#endif
