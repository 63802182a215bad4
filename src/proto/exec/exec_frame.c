#include "proto/exec/exec_frame.h"

static const struct {
    enum exec_end from;
    uint32_t least;
    uint32_t most;
} rules[] = {
    [EXEC_STDIN] = {EXEC_CLIENT, 0, EXEC_FRAME_MAX},
    [EXEC_STDOUT] = {EXEC_SERVER, 0, EXEC_FRAME_MAX},
    [EXEC_STDERR] = {EXEC_SERVER, 0, EXEC_FRAME_MAX},
    [EXEC_EXIT] = {EXEC_SERVER, 2, EXEC_FRAME_MAX},
    [EXEC_CREDIT] = {EXEC_SERVER, 4, 4},
    [EXEC_RESIZE] = {EXEC_CLIENT, 4, 4},
    [EXEC_SIGNAL] = {EXEC_CLIENT, 1, 1},
};

static bool allowed(enum exec_end from, unsigned type, size_t len)
{
    return type < sizeof rules / sizeof *rules && rules[type].from == from &&
           len >= rules[type].least && len <= rules[type].most;
}

int exec_frame_parse(struct span bytes, enum exec_end from, struct exec_frame *out, size_t *size)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    if (bytes.len < EXEC_FRAME_HEAD) {
        return 0;
    }
    size_t len = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
    if (p[1] != 0 || p[2] != 0 || p[3] != 0 || !allowed(from, p[0], len)) {
        return -1;
    }
    if (bytes.len < EXEC_FRAME_HEAD + len) {
        return 0;
    }
    out->type = (enum exec_frame_type)p[0];
    out->payload = span_of(bytes.ptr + EXEC_FRAME_HEAD, len);
    *size = EXEC_FRAME_HEAD + len;
    return 1;
}

void exec_frame_head(enum exec_frame_type type, size_t len, uint8_t out[EXEC_FRAME_HEAD])
{
    out[0] = (uint8_t)type;
    out[1] = out[2] = out[3] = 0;
    out[4] = (uint8_t)(len >> 24);
    out[5] = (uint8_t)(len >> 16);
    out[6] = (uint8_t)(len >> 8);
    out[7] = (uint8_t)len;
}
