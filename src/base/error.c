#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int(error_set)(struct error *err, int errnum, const char *fmt, ...)
{
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        err->code = errnum;
        if (errnum != 0 && n >= 0 && (size_t)n < sizeof err->text) {
            snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", strerror(errnum));
        }
    }
    return errnum != 0 ? -errnum : -1;
}

int(error_prefix)(struct error *err, const char *fmt, ...)
{
    if (err == NULL) {
        return -1;
    }
    char old[ERROR_TEXT_BYTES];
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->text) {
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
    }
    return err->code != 0 ? -err->code : -1;
}
