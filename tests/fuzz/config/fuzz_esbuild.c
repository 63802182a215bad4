/* The bundler's complaints quote the user's files. */
#include "config/esbuild.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    esbuild_explain("/root", span_of(data, size), &err);
    return 0;
}
