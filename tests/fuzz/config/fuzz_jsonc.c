/* A wrangler.jsonc of a project that may be hostile. */
#include "config/config.h"
#include "config/wrangler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jsonc doc;
    struct error err;
    struct config c = {.app = config_plain_app()};
    if (jsonc_parse("f", span_of(data, size), &doc, &err) == 0) {
        struct jsonc_step steps[] = {{.key = "a"}, {.index = 1}, {.key = "b"}};
        for (size_t n = 0; n <= 3; n++) {
            if (jsonc_locate(&doc, steps, n) > doc.len) {
                __builtin_trap();
            }
        }
        wrangler_read(&doc, &c, &err);
        jsonc_free(&doc);
    }
    config_free(&c);
    return 0;
}
