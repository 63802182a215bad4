/* An expression that is read has a next time after any, which fits the minute, or none. */
#include "supervisor/cron.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron c;
    struct error err;
    int64_t after = 1700000000;
    if (cron_parse(span_of(data, size), &c, &err) < 0) {
        return 0;
    }
    for (int i = 0; i < 3 && after >= 0; i++) {
        int64_t next = cron_next(&c, after);
        if (next >= 0 &&
            (next <= after || next % 60 != 0 || (c.minutes & (1ull << (next / 60 % 60))) == 0)) {
            abort();
        }
        after = next;
    }
    return 0;
}
