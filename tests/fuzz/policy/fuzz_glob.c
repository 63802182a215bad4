/* A pattern and a host, apart by a newline: the matcher says what a plain one says, which tries
 * every place a '*' may end. */
#include "policy/internal.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The table of all prefixes against all prefixes, one row at a time. */
static bool plain(struct span p, struct span v)
{
    static bool row[2][1026];
    bool *now = row[0];
    bool *before = row[1];

    memset(now, 0, sizeof row[0]);
    now[0] = true;
    for (size_t i = 0; i < p.len; i++) {
        bool *swap = before;
        before = now;
        now = swap;
        now[0] = p.ptr[i] == '*' && before[0];
        for (size_t j = 1; j <= v.len; j++) {
            now[j] = p.ptr[i] == '*' ? before[j] || now[j - 1]
                                     : before[j - 1] && p.ptr[i] == v.ptr[j - 1];
        }
    }
    return now[v.len];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    const char *end = size > 0 ? memchr(in.ptr, '\n', in.len) : NULL;
    struct pattern p;
    struct url_host host;

    if (end == NULL || size > 1024) {
        return 0;
    }
    struct span pattern = span_of(in.ptr, (size_t)(end - in.ptr));
    struct span value = span_from(in, pattern.len + 1);
    if (pattern_glob(pattern, value) != plain(pattern, value)) {
        abort();
    }
    if (pattern_make(&p, pattern, true, NULL) == 0) {
        if (url_host_canonical(value, &host)) {
            (void)pattern_matches(&p, &host);
        }
        /* What was written makes the same pattern again. */
        struct pattern again;
        if (pattern_make(&again, p.written, true, NULL) < 0 ||
            !span_eq(again.compared, p.compared) || again.form != p.form) {
            abort();
        }
        free(again.mem);
    }
    free(p.mem);
    return 0;
}
