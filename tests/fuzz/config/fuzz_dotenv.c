/* .dev.vars: whatever it holds, each value that comes out keeps the rules of one. */
#include "config/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secrets s = {NULL, 0};
    struct error err;
    dotenv_parse("f", span_of(data, size), &s, &err);
    for (size_t i = 0; i < s.count; i++) {
        if (secret_check_value(span_str(s.items[i].value), &err) < 0 ||
            secret_check_name(span_str(s.items[i].name), &err) < 0) {
            __builtin_trap();
        }
    }
    secrets_free(&s);
    return 0;
}
