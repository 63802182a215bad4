#include "tls/der.h"

void der_init(struct der *d, void *mem, size_t cap)
{
    *d = (struct der){.mem = mem, .cap = cap, .at = cap};
}

void der_raw(struct der *d, struct span bytes)
{
    if (d->full || bytes.len > d->at) {
        d->full = true;
        return;
    }
    d->at -= bytes.len;
    if (bytes.len > 0) {
        memcpy(d->mem + d->at, bytes.ptr, bytes.len);
    }
}

static void byte_put(struct der *d, uint8_t byte)
{
    der_raw(d, span_of(&byte, 1));
}

void der_wrap(struct der *d, uint8_t tag, size_t end)
{
    size_t len = end - d->at;
    if (len < 0x80) {
        byte_put(d, (uint8_t)len);
    } else {
        uint8_t count = 0;
        for (size_t rest = len; rest > 0; rest >>= 8) {
            byte_put(d, (uint8_t)rest);
            count++;
        }
        byte_put(d, (uint8_t)(0x80 | count));
    }
    byte_put(d, tag);
}

void der_put(struct der *d, uint8_t tag, struct span content)
{
    size_t end = der_mark(d);
    der_raw(d, content);
    der_wrap(d, tag, end);
}

size_t der_element(struct span bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    if (bytes.len < 2 || (p[0] & 0x1f) == 0x1f) {
        return 0;
    }
    size_t head = 2;
    size_t len = p[1];
    if (len >= 0x80) {
        size_t count = len & 0x7f;
        if (count == 0 || count > 4 || bytes.len < 2 + count) {
            return 0;
        }
        len = 0;
        for (size_t i = 0; i < count; i++) {
            len = len << 8 | p[2 + i];
        }
        head += count;
    }
    return len <= bytes.len - head ? head + len : 0;
}
