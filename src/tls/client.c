/* The client's end: verification against the system's bundle, sessions kept for the next time. */
#include "tls/conn.h"
#include "tls/leaf.h"
#include "tls/trust.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

/* OpenSSL reads ahead only where a record begins, and then exactly what the last one lacks. Four
 * whole records of TLS 1.3 (16 KiB and 22 bytes) make one recv and one 64 KiB frame of the gate; a
 * buffer a little smaller or larger costs a second recv for the rest. 3: its alignment. */
#define READ_BUFFER_BYTES   (4u * (16384u + 22u) + 3u)
#define SESSION_LIFETIME_MS (3600u * 1000u)

struct session {
    struct list node; /* oldest first */
    SSL_SESSION *session;
    uint64_t added_ms;
    size_t key_len;
    char key[];
};

struct tls_client {
    SSL_CTX *ctx;
    struct buf pem; /* system's bundle and the extra one, until they are decoded */
    struct list sessions;
    size_t session_count;
};

static void session_drop(struct tls_client *client, struct session *s)
{
    list_remove(&s->node);
    SSL_SESSION_free(s->session);
    free(s);
    client->session_count--;
}

static struct session *session_find(struct tls_client *client, struct span key)
{
    LIST_FOREACH(pos, &client->sessions)
    {
        struct session *s = LIST_ENTRY(pos, struct session, node);
        if (span_eq(span_of(s->key, s->key_len), key)) {
            return s;
        }
    }
    return NULL;
}

void tls_client_session_add(struct tls_conn *c, SSL_SESSION *session)
{
    struct tls_client *client = c->client;
    struct session *s = malloc(sizeof *s + c->session_key.len);
    if (s == NULL) {
        return;
    }
    struct session *old = session_find(client, c->session_key);
    if (old != NULL) {
        session_drop(client, old);
    } else if (client->session_count >= TLS_SESSIONS_MAX) {
        session_drop(client, LIST_ENTRY(client->sessions.next, struct session, node));
    }
    SSL_SESSION_up_ref(session);
    *s = (struct session){
        .session = session, .added_ms = clock_monotonic_ms(), .key_len = c->session_key.len};
    memcpy(s->key, c->session_key.ptr, c->session_key.len);
    list_append(&client->sessions, &s->node);
    client->session_count++;
}

static int session_new(SSL *ssl, SSL_SESSION *session)
{
    struct tls_conn *c = SSL_get_app_data(ssl);
    tls_client_session_add(c, session);
    return 0; /* a reference of our own was taken */
}

static void session_use(struct tls_client *client, struct tls_conn *c)
{
    struct session *s = session_find(client, c->session_key);
    if (s == NULL) {
        return;
    }
    bool fresh = clock_monotonic_ms() - s->added_ms < SESSION_LIFETIME_MS;
    if (fresh) {
        SSL_set_session(c->ssl, s->session);
    }
    /* RFC 8446 C.4: a ticket of TLS 1.3 is used once. */
    if (!fresh || SSL_SESSION_get_protocol_version(s->session) >= TLS1_3_VERSION) {
        session_drop(client, s);
    }
}

static int bundle_read(struct buf *out, struct error *err)
{
    for (size_t i = 0; tls_trust_bundle_paths[i] != NULL; i++) {
        cleanup_close int fd = open(tls_trust_bundle_paths[i], O_RDONLY | O_CLOEXEC);
        while (fd >= 0) {
            char *to = buf_reserve(out, 65536);
            ssize_t n = to != NULL ? read(fd, to, 65536) : -1;
            if (n < 0) {
                return error_set(err, to != NULL ? errno : EFBIG, "read %s",
                                 tls_trust_bundle_paths[i]);
            }
            if (n == 0) {
                return buf_append_str(out, "\n") ? 0 : error_set(err, ENOMEM, "read bundle");
            }
            buf_commit(out, (size_t)n);
        }
    }
    return 0; /* no bundle on this machine: only the extra certificates count */
}

static bool client_configure(SSL_CTX *ctx)
{
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                      "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:"
                                     "!aNULL:!eNULL:!MD5:!3DES:!PSK:!SRP") != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521") != 1) {
        return false;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_BYTES);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, session_new);
    /* An extra CA may be an intermediate, or the server's own certificate. */
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

struct tls_client *tls_client_create(struct span extra_pem, struct error *err)
{
    if (tls_init(err) < 0) {
        return NULL;
    }
    struct tls_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        error_set(err, 0, "TLS client: out of memory");
        return NULL;
    }
    list_init(&c->sessions);
    buf_init(&c->pem, TLS_TRUST_MAX);
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (!client_configure(c->ctx)) {
        tls_error(err, "TLS client");
        tls_client_destroy(c);
        return NULL;
    }
    if (bundle_read(&c->pem, err) < 0) {
        tls_client_destroy(c);
        return NULL;
    }
    if (!buf_append_span(&c->pem, extra_pem)) {
        error_set(err, EFBIG, "certificates trusted for upstreams");
        tls_client_destroy(c);
        return NULL;
    }
    return c;
}

void tls_client_destroy(struct tls_client *c)
{
    if (c == NULL) {
        return;
    }
    while (!list_empty(&c->sessions)) {
        session_drop(c, LIST_ENTRY(c->sessions.next, struct session, node));
    }
    SSL_CTX_free(c->ctx);
    buf_free(&c->pem);
    free(c);
}

int tls_client_warm(struct tls_client *c, struct error *err)
{
    if (buf_len(&c->pem) == 0) {
        return 0;
    }
    BIO *bio = BIO_new_mem_buf(buf_span(&c->pem).ptr, (int)buf_len(&c->pem));
    X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
    X509 *cert;
    while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    unsigned long last = ERR_peek_last_error();
    bool whole = bio != NULL && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    BIO_free(bio);
    if (!whole) {
        return tls_error(err, "certificates trusted for upstreams");
    }
    ERR_clear_error();
    buf_free(&c->pem);
    return 0;
}

/* What the certificate must say, and the SNI when host is a name. */
static bool peer_expect(SSL *ssl, struct span host)
{
    uint8_t ip[16];
    size_t ip_len;
    char name[TLS_NAME_MAX + 1];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (tls_name_ip(host, ip, &ip_len)) {
        return X509_VERIFY_PARAM_set1_ip(param, ip, ip_len) == 1;
    }
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(param, name, host.len) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool session_key_set(struct tls_conn *c, struct span host, uint16_t port)
{
    char *key = malloc(host.len + sizeof ":65535");
    if (key == NULL) {
        return false;
    }
    memcpy(key, host.ptr, host.len);
    int len = snprintf(key + host.len, sizeof ":65535", ":%u", (unsigned)port);
    c->session_key = span_of(key, host.len + (size_t)len);
    return true;
}

int tls_conn_start_client(struct tls_conn *c, struct tls_client *client, struct span host,
                          uint16_t port, struct span alpn, struct error *err)
{
    if (!tls_mint_name_ok(host) || alpn.len > TLS_ALPN_MAX) {
        error_set(err, 0, "start TLS: not a host name");
        return -EINVAL;
    }
    if (tls_client_warm(client, err) < 0) {
        return -EINVAL;
    }
    BIO *bio = tls_conn_bio(c);
    c->ssl = SSL_new(client->ctx);
    if (bio == NULL || c->ssl == NULL || !peer_expect(c->ssl, host) ||
        (alpn.len > 0 &&
         SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn.ptr, (unsigned)alpn.len) != 0) ||
        !session_key_set(c, host, port)) {
        tls_error(err, "start TLS");
        SSL_free(c->ssl);
        c->ssl = NULL;
        BIO_free(bio);
        return -ENOMEM;
    }
    c->client = client;
    SSL_set_app_data(c->ssl, c);
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_connect_state(c->ssl);
    session_use(client, c);
    c->state = CONN_HANDSHAKE;
    tls_conn_watch_update(c);
    loop_task_queue(&c->event_task);
    return 0;
}
