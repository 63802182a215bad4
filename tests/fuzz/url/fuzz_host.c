/* The canonical host is canonical: it is its own canonical form and holds no byte that DNS, SNI
 * or a Host field could read otherwise. */
#include "proto/url/host.h"
#include "proto/url/url.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct url_host *h)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    static const char allowed_ip[] = "abcdef0123456789.:[]";
    struct url_host again;

    if (h->len == 0 || h->len > URL_HOST_MAX || strlen(h->text) != h->len ||
        strspn(h->text, h->kind == URL_HOST_DOMAIN ? allowed : allowed_ip) != h->len) {
        abort();
    }
    if (!url_host_canonical(url_host_span(h), &again) || !url_host_eq(h, &again) ||
        memcmp(h->addr, again.addr, 16) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct url_host h;
    struct span host;
    int32_t port;
    uint8_t addr[16];

    if (url_host_canonical(in, &h)) {
        check(&h);
        (void)url_ip_class(h.addr);
        (void)url_host_is_metadata(&h);
    }
    if (url_authority_split(in, &host, &port)) {
        if (host.len == 0 || host.ptr < in.ptr || host.ptr + host.len > in.ptr + in.len ||
            port == 0 || port > 65535) {
            abort();
        }
        if (url_host_canonical(host, &h)) {
            check(&h);
        }
    }
    if (url_ip_parse(in, addr)) {
        url_host_from_addr(addr, &h);
        check(&h);
        (void)url_ip_class_name(url_ip_class(addr));
    }
    return 0;
}
