/* What a client of an exec sends, frame by frame. */
#include "supervisor/exec_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size);
    struct exec_frame f;
    size_t len;
    while (exec_frame_parse(rest, &f, &len) == 1) {
        if (len < EXEC_FRAME_HEAD || len > rest.len || f.payload.len + EXEC_FRAME_HEAD != len ||
            f.payload.len > EXEC_FRAME_MAX) {
            abort();
        }
        rest = span_from(rest, len);
    }
    return 0;
}
