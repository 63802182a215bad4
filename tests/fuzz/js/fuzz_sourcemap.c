/* A source map up to the first zero byte, then a stack of the engine's that is mapped by it. */
#include "js/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size != 0 ? memchr(data, 0, size) : NULL;
    size_t map_len = cut != NULL ? (size_t)(cut - data) : size;
    struct buf out;
    buf_init(&out, 1u << 20);
    struct js_sourcemap *m = js_sourcemap_create(span_of(data, map_len), SPAN_LIT("/root/./x"));
    if (m != NULL) {
        js_stack_map(m, span_from(span_of(data, size), map_len + 1), &out);
        for (uint32_t i = 0; i < 64; i++) {
            js_sourcemap_find(m, i / 8, i % 8, &out);
        }
    }
    js_sourcemap_free(m);
    buf_free(&out);
    return 0;
}
