/*
 * Two handshakes in memory, so that OpenSSL has looked up every algorithm before the first byte of
 * a client: the first real handshake is then as quick as the next, and a look-up that memory fails
 * (which OpenSSL 3.0 never repeats) ends the start instead of every later handshake.
 */
#include "tls/conn.h"
#include "tls/leaf.h"

#define WARM_NAME  SPAN_LIT("localhost")
#define WARM_STEPS 8

/* One handshake between the two; false when it does not come to an end. */
static bool shake(SSL *server, SSL *client)
{
    BIO *near = NULL;
    BIO *far = NULL;
    char byte = 0;
    if (BIO_new_bio_pair(&near, 0, &far, 0) != 1) {
        return false;
    }
    SSL_set_bio(server, near, near);
    SSL_set_bio(client, far, far);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    bool done = false;
    for (int i = 0; i < WARM_STEPS && !done; i++) {
        bool client_done = SSL_do_handshake(client) == 1;
        done = SSL_do_handshake(server) == 1 && client_done;
    }
    return done && SSL_write(client, "x", 1) == 1 && SSL_read(server, &byte, 1) == 1;
}

static bool warm_version(SSL_CTX *server_ctx, SSL_CTX *client_ctx, struct tls_mint *mint,
                         int version, const char *groups, struct error *err)
{
    X509 *leaf;
    EVP_PKEY *key;
    bool ok = false;
    SSL *server = SSL_new(server_ctx);
    SSL *client = SSL_new(client_ctx);
    if (server != NULL && client != NULL && tls_mint_leaf(mint, WARM_NAME, &leaf, &key, err) == 0 &&
        SSL_use_cert_and_key(server, leaf, key, NULL, 1) == 1 &&
        SSL_set_max_proto_version(client, version) == 1 &&
        SSL_set1_groups_list(client, groups) == 1) {
        ok = shake(server, client);
    }
    SSL_free(server);
    SSL_free(client);
    return ok;
}

int tls_warm_up(struct error *err)
{
    uint8_t scalar[TLS_SCALAR_BYTES] = {0};
    struct tls_mint *mint = tls_mint_create(WARM_NAME, scalar, span_of("", 0), err);
    struct tls_server *server = mint != NULL ? tls_server_create(mint, err) : NULL;
    SSL_CTX *client = server != NULL ? SSL_CTX_new(TLS_client_method()) : NULL;
    int rc = -1;
    if (client != NULL) {
        SSL_CTX *ctx = tls_server_context(server);
        bool ok = warm_version(ctx, client, mint, TLS1_3_VERSION, "X25519", err) &&
                  warm_version(ctx, client, mint, TLS1_2_VERSION, "P-256", err);
        rc = ok ? 0 : tls_error(err, "a first handshake in memory");
    }
    SSL_CTX_free(client);
    tls_server_destroy(server);
    tls_mint_destroy(mint);
    return rc;
}
