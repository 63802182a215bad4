/*
 * CONNECT: a client that was told of a proxy. The tunnel ends here: what is inside is sniffed like
 * any connection, and judged by the names in it. The CONNECT's own name only stands in where the
 * inside has none.
 */
#include "sidecar/client.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define ESTABLISHED SPAN_LIT("HTTP/1.1 200 Connection established\r\n\r\n")

static bool port_read(struct span text, uint16_t *port)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* "host:port" or "[v6]:port". */
static bool authority_split(struct span authority, struct span *host, uint16_t *port)
{
    size_t colon = authority.len;
    while (colon > 0 && authority.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !port_read(span_from(authority, colon), port)) {
        return false;
    }
    *host = span_of(authority.ptr, colon - 1);
    if (host->len > 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']') {
        *host = span_of(host->ptr + 1, host->len - 2);
    } else if (memchr(host->ptr, ':', host->len) != NULL) {
        return false;
    }
    return tls_mint_name_ok(*host);
}

/* A literal is also the address that the audit shows. */
static void dest_set(struct client *c, const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        memset(c->dest, 0, 10);
        c->dest[10] = c->dest[11] = 0xff;
        memcpy(c->dest + 12, &v4, 4);
    } else {
        uint8_t v6[16];
        if (inet_pton(AF_INET6, host, v6) == 1) {
            memcpy(c->dest, v6, sizeof v6);
        }
    }
}

bool connect_open(struct client *c, struct span authority)
{
    struct span host;
    uint16_t port;
    if (tls_conn_secure(c->conn) || c->connected || !authority_split(authority, &host, &port)) {
        http_answer(c, 400, NULL, "CONNECT is taken once, in the clear, for a host and a port.");
        return false;
    }
    c->connect_name = strndup(host.ptr, host.len);
    if (c->connect_name == NULL) {
        client_cut(c);
        return false;
    }
    c->connected = true;
    c->proxy = true;
    c->dest_port = port;
    dest_set(c, c->connect_name);
    c->phase = CLIENT_SNIFF;
    client_deadline(c, SIDECAR_SNIFF_MS);
    /* In the connection's own output before TLS could put anything there. */
    return client_send(c, ESTABLISHED) && client_out_flush(c);
}
