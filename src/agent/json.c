#include "agent/json.h"

/* Bytes of the UTF-8 sequence at the front, 0: none. */
static size_t sequence(struct span s)
{
    const unsigned char *b = (const unsigned char *)s.ptr;
    const size_t len = b[0] >= 0xc2 && b[0] <= 0xdf   ? 2
                       : b[0] >= 0xe0 && b[0] <= 0xef ? 3
                       : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
                                                      : 0;
    if (len == 0 || s.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    const bool surrogate = b[0] == 0xed && b[1] >= 0xa0;
    const bool beyond = b[0] == 0xf4 && b[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : len;
}

bool json_string(struct buf *out, struct span s)
{
    bool ok = buf_append_str(out, "\"");
    while (ok && s.len > 0) {
        const unsigned char c = (unsigned char)s.ptr[0];
        size_t len = 1;
        if (c == '"' || c == '\\') {
            ok = buf_append(out, "\\", 1) && buf_append(out, s.ptr, 1);
        } else if (c < 0x20 || c == 0x7f) {
            ok = buf_appendf(out, "\\u%04x", c);
        } else if (c < 0x80) {
            ok = buf_append(out, s.ptr, 1);
        } else if ((len = sequence(s)) > 0) {
            ok = buf_append(out, s.ptr, len);
        } else {
            len = 1;
            ok = buf_append_str(out, "\\ufffd");
        }
        s = span_from(s, len);
    }
    return ok && buf_append_str(out, "\"");
}
