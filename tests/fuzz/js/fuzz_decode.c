/* A coded body: first byte the coding and the size of reads, the rest the bytes. At most 1 MiB is
 * read of what it decodes to. */
#include "js/decode.h"

#include <errno.h>

#define OUTPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dst[512];
    if (size == 0) {
        return 0;
    }
    struct source *inner = source_from_bytes(span_of(data + 1, size - 1));
    struct source *s = inner != NULL ? js_decode(inner, (enum js_coding)(1 + data[0] % 3)) : NULL;
    size_t step = 1 + (size_t)(data[0] >> 2) * 8;
    size_t total = 0;
    while (s != NULL && total < OUTPUT_MAX) {
        ssize_t n = source_read(s, dst, step < sizeof dst ? step : sizeof dst);
        if (n <= 0) {
            break;
        }
        total += (size_t)n;
    }
    source_close(s);
    return 0;
}
