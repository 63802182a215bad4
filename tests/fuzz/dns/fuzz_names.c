/* Lines of names, asked for in that order: each keeps its addresses, no two share one. */
#include "proto/dns/dns.h"
#include "proto/dns/names.h"

#include <stdlib.h>

#define MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_names *n = dns_names_create(MAX);
    uint8_t addr4[4];
    uint8_t addr6[16];
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    struct span rest = span_of(data, size);
    struct span found;
    need(n != NULL);
    while (rest.len > 0) {
        const char *lf = memchr(rest.ptr, '\n', rest.len);
        struct span name = span_of(rest.ptr, lf != NULL ? (size_t)(lf - rest.ptr) : rest.len);
        rest = span_from(rest, name.len + 1);
        if (!dns_names_lookup(n, name, addr4, addr6)) {
            need(name.len == 0 || name.len > DNS_NAME_MAX || dns_names_count(n) == MAX);
            continue;
        }
        memcpy(mapped + 12, addr4, 4);
        need(dns_names_find(n, mapped, &found) && span_eq(found, name));
        need(dns_names_find(n, addr6, &found) && span_eq(found, name));
        need(dns_names_count(n) <= MAX);
    }
    if (size >= 16) {
        dns_names_find(n, data, &found);
    }
    dns_names_destroy(n);
    return 0;
}
