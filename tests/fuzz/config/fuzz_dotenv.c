/* .dev.vars: whatever it holds, no value with a newline comes out. */
#include "config/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secrets s = {NULL, 0};
    struct error err;
    dotenv_parse("f", span_of(data, size), &s, &err);
    for (size_t i = 0; i < s.count; i++) {
        if (strpbrk(s.items[i].value, "\r\n") != NULL) {
            __builtin_trap();
        }
    }
    secrets_free(&s);
    return 0;
}
