/* UTF-8 to UTF-16 and back: well-formed input survives, any other becomes well-formed, and the
 * sizes that callers reserve suffice. */
#include "js/utf8.h"

#include <stdlib.h>

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size = size < INPUT_MAX ? size : INPUT_MAX;
    struct span in = span_of(data, size);
    uint16_t *units = malloc(size * sizeof *units + 1);
    size_t n = js_utf8_to_utf16(in, units);
    char *back = malloc(n * 3 + 1);
    size_t len = js_utf16_to_utf8(units, n, back);
    bool valid = js_utf8_valid(in);
    if (n > size || !js_utf8_valid(span_of(back, len)) ||
        valid != (len == size && (size == 0 || memcmp(back, data, size) == 0)) ||
        js_utf8_incomplete(in) > (size < 3 ? size : 3) || (valid && js_utf8_incomplete(in) != 0)) {
        abort();
    }
    /* any units at all, lone surrogates too */
    size_t raw = size / sizeof *units;
    if (raw != 0) {
        memcpy(units, data, raw * sizeof *units);
        free(back);
        back = malloc(raw * 3);
        len = js_utf16_to_utf8(units, raw, back);
        if (len > raw * 3 || !js_utf8_valid(span_of(back, len))) {
            abort();
        }
    }
    free(units);
    free(back);
    return 0;
}
