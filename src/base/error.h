/*
 * error: one whole sentence from the place that knows.
 *
 * A function that can fail returns a negative errno value (or -1) and fills the `struct error *`
 * that is its last parameter. The text reads `what: why[: how to mend it]`, without a newline and
 * without the program's name. Callers above add nothing unless they know more.
 */
#ifndef SALLYPORT_BASE_ERROR_H
#define SALLYPORT_BASE_ERROR_H

#define ERROR_TEXT_BYTES 1024

struct error {
    int code; /* an errno value, or 0 when no system call failed */
    char text[ERROR_TEXT_BYTES];
};

/* Writes the sentence, followed by ": strerror(errnum)" when errnum is not 0.
 * Returns -errnum, or -1 when errnum is 0, so that `return error_set(…)` reads well.
 * err may be NULL: then only the value is returned. */
int error_set(struct error *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence that is there. Returns err->code negated, or -1. */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The analyzer reads one file at a time and has to be told that neither returns 0 or more. */
#ifdef __clang_analyzer__
#define error_set(...)    ((void)error_set(__VA_ARGS__), -1)
#define error_prefix(...) ((void)error_prefix(__VA_ARGS__), -1)
#endif

#endif
