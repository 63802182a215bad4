#include "supervisor/pem.h"

#define LINE_BYTES 48 /* 64 characters a line */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool group_write(struct buf *out, const unsigned char *in, size_t len)
{
    unsigned v =
        (unsigned)in[0] << 16 | (len > 1 ? (unsigned)in[1] << 8 : 0) | (len > 2 ? in[2] : 0);
    char text[4] = {digits[v >> 18], digits[v >> 12 & 63], len > 1 ? digits[v >> 6 & 63] : '=',
                    len > 2 ? digits[v & 63] : '='};
    return buf_append(out, text, sizeof text);
}

bool pem_base64(struct buf *out, struct span bytes)
{
    bool ok = true;
    for (size_t at = 0; ok && at < bytes.len; at += 3) {
        size_t left = bytes.len - at < 3 ? bytes.len - at : 3;
        ok = group_write(out, (const unsigned char *)bytes.ptr + at, left);
    }
    return ok;
}

bool pem_write(struct buf *out, const char *label, struct span der)
{
    bool ok = buf_appendf(out, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; ok && at < der.len; at += LINE_BYTES) {
        size_t left = der.len - at < LINE_BYTES ? der.len - at : LINE_BYTES;
        ok = pem_base64(out, span_of(der.ptr + at, left)) && buf_append_str(out, "\n");
    }
    return ok && buf_appendf(out, "-----END %s-----\n", label);
}
