/* Frames one after the other, as a channel reads them. */
#include "ipc/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ipc_rule rules[] = {
    {"none", 1, 0, 0, 0}, {"one", 2, 1, 1, 3}, {"most", 3, IPC_FIELDS_MAX, 0, IPC_FDS_MAX}, {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    for (;;) {
        struct ipc_message msg = {0};
        size_t need = 0;
        const char *why = NULL;
        enum frame_result result = frame_parse(in, rules, &msg, &need, &why);
        if (result == FRAME_BROKEN && why == NULL) {
            abort();
        }
        if (result == FRAME_PARTIAL && need <= in.len) {
            abort();
        }
        if (result != FRAME_WHOLE) {
            return 0;
        }
        /* What was read is written back as the very same bytes. */
        if (need > in.len || frame_size(msg.fields, msg.field_count, msg.fd_count) != need) {
            abort();
        }
        char *again = malloc(need);
        frame_write(again, msg.type, msg.fields, msg.field_count, msg.fd_count);
        if (memcmp(again, in.ptr, need) != 0) {
            abort();
        }
        free(again);
        in = span_from(in, need);
    }
}
