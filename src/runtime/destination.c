#include "runtime/destination.h"

#include "proto/http1/http1.h"

static bool refuse(struct refusal *why, uint16_t status, const char *text)
{
    *why = (struct refusal){.status = status,
                            .close = status != 405,
                            .error = status == 421 ? "misdirected" : "malformed",
                            .text = text};
    return false;
}

static bool method_check(struct span method, struct refusal *why)
{
    if (method.len == 0 || method.len > DESTINATION_METHOD_MAX || !http1_is_token(method)) {
        return refuse(why, 400, "malformed method");
    }
    /* TRACE hands a credential back to who must not see it; CONNECT is no request for a resource.
     */
    if (span_ieq(method, SPAN_LIT("TRACE")) || span_ieq(method, SPAN_LIT("TRACK")) ||
        span_ieq(method, SPAN_LIT("CONNECT"))) {
        return refuse(why, 405, "method not allowed");
    }
    return true;
}

static bool target_check(const struct gate_request *req, struct refusal *why)
{
    struct span t = req->target;
    if (span_eq(t, SPAN_LIT("*")) && span_eq(req->method, SPAN_LIT("OPTIONS"))) {
        return true;
    }
    if (t.len == 0 || t.len > DESTINATION_TARGET_MAX || t.ptr[0] != '/') {
        return refuse(why, 400, "malformed target");
    }
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.ptr[i];
        if (c <= 0x20 || c == 0x7f || c == '#') {
            return refuse(why, 400, "malformed target");
        }
    }
    return true;
}

static bool headers_check(const struct gate_request *req, struct refusal *why)
{
    if (req->header_count > GATE_HEADER_COUNT) {
        return refuse(why, 400, "too many header fields");
    }
    for (size_t i = 0; i < req->header_count; i++) {
        const struct gate_header *h = &req->headers[i];
        if (!http1_is_token(h->name) || !http1_is_value(h->value)) {
            return refuse(why, 400, "malformed header field");
        }
        /* The inner door took these out; one that is there would be a second Host or a framing of
         * the sandbox's choice. */
        if (http1_field_flags(h->name) != 0) {
            return refuse(why, 400, "header field out of place");
        }
    }
    return true;
}

/* Without SNI the host can only be what the connection went to. */
static bool host_is_peer(const struct gate_peer *peer, const struct url_host *host)
{
    struct url_host other;
    if (peer->name.len > 0) {
        return url_host_canonical(peer->name, &other) && url_host_eq(&other, host);
    }
    url_host_from_addr(peer->dest, &other);
    return url_host_eq(&other, host);
}

static bool host_from_peer(const struct gate_peer *peer, struct url_host *host)
{
    if (peer->name.len > 0) {
        return url_host_canonical(peer->name, host);
    }
    url_host_from_addr(peer->dest, host);
    return true;
}

static bool sni_check(const struct gate_peer *peer, const struct url_host *host,
                      struct refusal *why)
{
    struct url_host sni;
    if (peer->sni.len == 0) {
        return host_is_peer(peer, host) ? true
                                        : refuse(why, 421,
                                                 "the host is not the one of the "
                                                 "connection");
    }
    if (!url_host_canonical(peer->sni, &sni)) {
        return refuse(why, 400, "malformed server name");
    }
    return url_host_eq(&sni, host) ? true : refuse(why, 421, "server name and host differ");
}

bool destination_of_request(const struct gate_request *req, struct destination *out,
                            struct refusal *why)
{
    if (!method_check(req->method, why) || !target_check(req, why) || !headers_check(req, why)) {
        return false;
    }
    const struct gate_peer *peer = &req->peer;
    struct span host = {NULL, 0};
    int32_t port = -1;
    out->secure = peer->tls;
    if (req->authority.len == 0) {
        if (req->version != 10 || !host_from_peer(peer, &out->host)) {
            return refuse(why, 400, "no host");
        }
    } else if (req->authority.len > DESTINATION_AUTHORITY_MAX ||
               !url_authority_split(req->authority, &host, &port) ||
               !url_host_canonical(host, &out->host)) {
        return refuse(why, 400, "malformed host");
    }
    if (peer->tls && !sni_check(peer, &out->host, why)) {
        return false;
    }
    if (port >= 0 && !peer->proxy && peer->dest_port != 0 && port != peer->dest_port) {
        return refuse(why, 421, "the port is not the one of the connection");
    }
    if (port < 0) {
        bool known = peer->dest_port != 0 && (!peer->proxy || peer->tls);
        port = known ? peer->dest_port : destination_default_port(out->secure);
    }
    out->port = (uint16_t)port;
    return true;
}

bool destination_of_front(const struct gate_request *req, struct destination *out,
                          struct refusal *why)
{
    struct span host = SPAN_LIT("localhost");
    int32_t port = -1;
    if (!method_check(req->method, why) || !target_check(req, why) || !headers_check(req, why)) {
        return false;
    }
    if (req->authority.len == 0 ? req->version != 10
                                : req->authority.len > DESTINATION_AUTHORITY_MAX ||
                                      !url_authority_split(req->authority, &host, &port)) {
        return refuse(why, 400, "no host");
    }
    if (!url_host_canonical(host, &out->host)) {
        return refuse(why, 400, "malformed host");
    }
    out->secure = false;
    out->port = port > 0 ? (uint16_t)port : destination_default_port(false);
    return true;
}

bool destination_of_tunnel(const struct gate_peer *peer, struct destination *out,
                           struct refusal *why)
{
    out->secure = peer->tls;
    out->port = peer->dest_port;
    if (peer->dest_port == 0) {
        return refuse(why, 400, "no port");
    }
    if (peer->tls && peer->sni.len > 0) {
        return url_host_canonical(peer->sni, &out->host)
                   ? true
                   : refuse(why, 400, "malformed server name");
    }
    return host_from_peer(peer, &out->host) ? true : refuse(why, 400, "malformed host");
}

bool destination_origin(const struct destination *d, struct buf *out)
{
    return buf_append_str(out, d->secure ? "https://" : "http://") &&
           buf_append_span(out, url_host_span(&d->host)) &&
           (d->port == destination_default_port(d->secure) ||
            buf_appendf(out, ":%u", (unsigned)d->port));
}
