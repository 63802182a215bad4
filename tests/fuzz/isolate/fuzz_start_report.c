/* start_report: any bytes, in pieces of any size, stay within its ceiling and make one line. */
#include "isolate/start_report.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct isolate_start_report r;
    char line[512];
    isolate_start_report_init(&r);
    for (size_t at = 0; at < size;) {
        size_t n = (data[at] & 63u) + 1;
        n = n < size - at ? n : size - at;
        isolate_start_report_feed(&r, span_of(data + at, n));
        at += n;
    }
    isolate_start_report_failure(&r, line, sizeof(line));
    if (r.len >= sizeof(r.text) || r.text[r.len] != '\0' || r.pid < 0 ||
        strchr(line, '\n') != NULL) {
        __builtin_trap();
    }
    return 0;
}
