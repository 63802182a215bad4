/* A REQUEST frame of the inner door, as bytes: the wire reader, then the outer door's own checks.
 * What passes is canonical: it passes again, and to the same destination. */
#include "gate/wire.h"
#include "runtime/destination.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct gate_request *req, const struct destination *first)
{
    struct gate_request copy = *req;
    struct destination second;
    struct refusal why;
    struct buf authority;
    buf_init(&authority, 1024);
    if (!buf_append_span(&authority, url_host_span(&first->host)) ||
        !buf_appendf(&authority, ":%u", (unsigned)first->port)) {
        abort();
    }
    copy.authority = buf_span(&authority);
    if (!destination_of_request(&copy, &second, &why) || first->port != second.port ||
        !url_host_eq(&first->host, &second.host) || first->secure != second.secure) {
        abort();
    }
    buf_free(&authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gate_header headers[GATE_HEADER_COUNT];
    struct gate_request req = {0};
    struct destination d;
    struct refusal why = {0};
    if (!wire_request_get(span_of(data, size), &req, headers)) {
        return 0;
    }
    if (destination_of_tunnel(&req.peer, &d, &why) && (d.port == 0 || d.host.len == 0)) {
        abort();
    }
    if (!destination_of_request(&req, &d, &why)) {
        if (why.status != 400 && why.status != 405 && why.status != 421) {
            abort();
        }
        return 0;
    }
    if (memchr(d.host.text, '\0', d.host.len) != NULL || d.port == 0) {
        abort();
    }
    again(&req, &d);
    return 0;
}
