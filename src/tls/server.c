/* The server's end: one SSL_CTX a sidecar, the leaf put on each connection. */
#include "tls/conn.h"
#include "tls/leaf.h"

#include <errno.h>
#include <stdlib.h>

struct tls_server {
    SSL_CTX *ctx;
    struct tls_mint *mint;
};

/* HTTP/1.1 when the client offers it; an offer without it is refused rather than misread. */
static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char http11[] = "\x08http/1.1";
    unsigned char *found;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&found, out_len, http11, sizeof http11 - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

struct tls_server *tls_server_create(struct tls_mint *mint, struct error *err)
{
    struct tls_server *s = calloc(1, sizeof *s);
    if (s == NULL || tls_init(err) < 0) {
        free(s);
        error_set(err, 0, "TLS server: out of memory");
        return NULL;
    }
    s->mint = mint;
    s->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX *ctx = s->ctx;
    /* The leaves are ECDSA: no other suite of TLS 1.2 could be used. */
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                      "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
                                     "ECDHE-ECDSA-AES256-GCM-SHA384") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        tls_error(err, "TLS server");
        tls_server_destroy(s);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
    return s;
}

SSL_CTX *tls_server_context(const struct tls_server *s)
{
    return s->ctx;
}

void tls_server_destroy(struct tls_server *s)
{
    if (s != NULL) {
        SSL_CTX_free(s->ctx);
        free(s);
    }
}

int tls_conn_start_server(struct tls_conn *c, struct tls_server *server, struct span name, bool sni,
                          struct error *err)
{
    X509 *leaf;
    EVP_PKEY *key;
    int rc = tls_mint_leaf(server->mint, name, &leaf, &key, err);
    if (rc < 0) {
        return rc;
    }
    char *expect = sni ? malloc(name.len) : NULL;
    BIO *bio = tls_conn_bio(c);
    c->ssl = SSL_new(server->ctx);
    if (c->ssl == NULL || bio == NULL || (sni && expect == NULL) ||
        SSL_use_cert_and_key(c->ssl, leaf, key, NULL, 1) != 1) {
        tls_error(err, "start TLS");
        SSL_free(c->ssl);
        c->ssl = NULL;
        BIO_free(bio);
        free(expect);
        return -ENOMEM;
    }
    if (sni) {
        memcpy(expect, name.ptr, name.len);
        c->expect_sni = span_of(expect, name.len);
    }
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_accept_state(c->ssl);
    c->state = CONN_HANDSHAKE;
    tls_conn_watch_update(c);
    loop_task_queue(&c->event_task);
    return 0;
}

bool tls_server_accepts(struct tls_conn *c)
{
    const char *read = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    if (c->expect_sni.ptr == NULL ? read == NULL
                                  : read != NULL && span_ieq(span_str(read), c->expect_sni)) {
        return true;
    }
    /* Two readers of one ClientHello that differ: whoever made it means to deceive one. */
    tls_conn_fail(c, TLS_PROTOCOL, "the server name was read in two ways");
    return false;
}
