/* Any datagram: an answer that fits, is a response, carries the question's id, and says the same
 * the second time. */
#include "sidecar/sidecar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sidecar s;
    uint8_t first[DNS_ANSWER_MAX];
    uint8_t second[DNS_ANSWER_MAX];
    if (s.names == NULL) {
        s.names = dns_names_create(4096);
    }
    size_t len = sidecar_dns_answer(&s, span_of(data, size), first);
    if (len == 0) {
        return 0;
    }
    if (len < 12 || len > sizeof first || memcmp(first, data, 2) != 0 || (first[2] & 0x80) == 0) {
        abort();
    }
    if (sidecar_dns_answer(&s, span_of(data, size), second) != len ||
        memcmp(first, second, len) != 0) {
        abort();
    }
    return 0;
}
