/*
 * hello: reads the ClientHello off the front of a connection without answering it
 * (RFC 8446 4.1.2, RFC 6066 3, RFC 7301 3.1, ECH: extension 0xfe0d).
 *
 * The hello may be cut into records and the records into packets in any way. Spans of the result
 * point into `out->joined`, a copy, when the hello came in several records, else
 * into the bytes that were handed over.
 */
#ifndef SALLYPORT_PROTO_HELLO_HELLO_H
#define SALLYPORT_PROTO_HELLO_HELLO_H

#include "base/span.h"

#define HELLO_BYTES_MAX (64u * 1024u) /* of records up to the end of the hello */
#define HELLO_ALPN_MAX  16u           /* protocols told; more are counted only */
#define HELLO_NAME_MAX  253u

enum hello_result {
    HELLO_BAD = -1, /* TLS, but malformed or beyond a ceiling: close */
    HELLO_MORE = 0, /* call again with the same bytes and more behind them */
    HELLO_DONE = 1,
    HELLO_NOT_TLS = 2
};

struct hello {
    bool has_sni;    /* a server_name extension with one host_name entry */
    struct span sni; /* 1..253 bytes of 0x21..0x7e as they came; not yet canonical */
    size_t alpn_count;
    struct span alpn[HELLO_ALPN_MAX];
    bool has_ech;     /* encrypted_client_hello is there, real or GREASE */
    uint16_t version; /* the highest that the client offers: 0x0303, 0x0304, … */
    bool offers_tls13;
    char *joined; /* memory behind the spans when records were joined */
};

/* out is to be freed after HELLO_DONE, when the spans are no longer needed. */
enum hello_result hello_parse(struct span first, struct hello *out);
void hello_free(struct hello *h);

#endif
