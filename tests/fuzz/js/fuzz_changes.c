/* A change log: what is taken off it never reaches outside, and it ends. */
#include "js/host.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span log = span_of(data, size);
    struct js_change c;
    size_t left = size;
    while (js_change_next(&log, &c)) {
        const char *end = (const char *)data + size;
        if (log.len >= left || c.name.len == 0 || c.name.ptr + c.name.len > end ||
            c.value.ptr + c.value.len > end || memchr(c.name.ptr, '\n', c.name.len) != NULL ||
            (c.value.len != 0 && memchr(c.value.ptr, '\n', c.value.len) != NULL)) {
            abort();
        }
        left = log.len;
    }
    return 0;
}
