/* spec: any text is taken whole or refused, and gives all its memory back. */
#include "launcher/spec.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec s;
    struct error err;
    if (spec_parse(span_of(data, size), &s, &err) == 0 && (s.cwd == NULL || s.hostname == NULL)) {
        __builtin_trap();
    }
    spec_free(&s);
    return 0;
}
