/* The supervisor's first input. Descriptors that the text names must not be closed by a refusal. */
#include "base/cleanup.h"
#include "config/spec.h"

#include <fcntl.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec s;
    struct error err;
    if (spec_parse(span_of(data, size), &s, &err) == 0) {
        spec_free(&s);
    }
    if (fcntl(2, F_GETFD) < 0) {
        __builtin_trap();
    }
    return 0;
}
