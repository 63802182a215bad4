/* ca_link: any bytes make a name of the right form or none. */
#include "launcher/ca_link.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[CA_LINK_BYTES];
    if (ca_link_name(span_of(data, size), name) && strlen(name) != CA_LINK_BYTES - 1) {
        __builtin_trap();
    }
    return 0;
}
