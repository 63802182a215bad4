/* What either end of an exec sends, frame by frame; the first byte says which. */
#include "proto/exec/exec_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum exec_end from = size > 0 && (data[0] & 1) != 0 ? EXEC_SERVER : EXEC_CLIENT;
    struct span rest = span_of(size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0);
    struct exec_frame f;
    size_t len;
    while (exec_frame_parse(rest, from, &f, &len) == 1) {
        if (len < EXEC_FRAME_HEAD || len > rest.len || f.payload.len + EXEC_FRAME_HEAD != len ||
            f.payload.len > EXEC_FRAME_MAX || (f.type == EXEC_EXIT && f.payload.len < 2) ||
            (f.type == EXEC_CREDIT && f.payload.len != 4)) {
            abort();
        }
        rest = span_from(rest, len);
    }
    return 0;
}
