/*
 * The bytes of a connection. One custom BIO a connection: a recv shorter than asked for means that
 * the socket is empty, so the next read is answered without a system call; a write only appends.
 */
#include "tls/conn.h"
#include "tls/leaf.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

/* > 0, 0 at the end, -EAGAIN, other < 0. */
static ssize_t socket_read(struct tls_conn *c, void *dst, size_t len)
{
    size_t kept = buf_len(&c->in);
    if (kept > 0) {
        size_t n = kept < len ? kept : len;
        memcpy(dst, buf_span(&c->in).ptr, n);
        buf_consume(&c->in, n);
        buf_trim(&c->in);
        return (ssize_t)n;
    }
    if (c->socket_eof) {
        return 0;
    }
    if (c->drained) {
        return -EAGAIN;
    }
    ssize_t n = recv(c->fd, dst, len, 0); /* syscall: recvfrom */
    while (n < 0 && errno == EINTR) {
        n = recv(c->fd, dst, len, 0);
    }
    if (n < 0) {
        c->drained = errno == EAGAIN;
        return -errno;
    }
    if (n == 0) {
        c->socket_eof = true;
        tls_conn_watch_update(c);
    }
    c->drained = n < (ssize_t)len;
    return n;
}

static int bio_read(BIO *bio, char *dst, size_t len, size_t *got)
{
    struct tls_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = socket_read(c, dst, len);
    if (n == -EAGAIN) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n < 0) {
        tls_conn_fail_errno(c, (int)-n);
        return -1;
    }
    *got = (size_t)n;
    return n > 0;
}

static int bio_write(BIO *bio, const char *src, size_t len, size_t *put)
{
    struct tls_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!buf_append(&c->out, src, len)) {
        tls_conn_fail(c, TLS_INTERNAL, "out of memory");
        return -1;
    }
    *put = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    struct tls_conn *c = BIO_get_data(bio);
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return c->socket_eof && buf_len(&c->in) == 0;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (method == NULL) {
        BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport");
        if (m == NULL || BIO_meth_set_read_ex(m, bio_read) != 1 ||
            BIO_meth_set_write_ex(m, bio_write) != 1 || BIO_meth_set_ctrl(m, bio_ctrl) != 1) {
            BIO_meth_free(m);
            return NULL;
        }
        method = m;
    }
    return method;
}

BIO *tls_conn_bio(struct tls_conn *c)
{
    BIO_METHOD *method = bio_method();
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, c);
        BIO_set_init(bio, 1);
    }
    return bio;
}

static enum tls_failure alert_meaning(int reason)
{
    switch (reason) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return TLS_CA_REJECTED;
    default:
        return TLS_PROTOCOL;
    }
}

void tls_conn_fail_ssl(struct tls_conn *c, int ret)
{
    int kind = SSL_get_error(c->ssl, ret);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        return;
    }
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    long verify = SSL_get_verify_result(c->ssl);
    if (!SSL_is_server(c->ssl) && verify != X509_V_OK) {
        tls_conn_fail(c, TLS_CERTIFICATE, X509_verify_cert_error_string(verify));
    } else if (code != 0 && ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        tls_conn_fail(c, TLS_INTERNAL, "out of memory");
    } else if (code != 0 && reason != NULL) {
        enum tls_failure failure = alert_meaning(ERR_GET_REASON(code));
        tls_conn_fail(c, failure, reason);
    } else {
        tls_conn_fail(c, TLS_CLOSED, "the peer closed the connection");
    }
    ERR_clear_error();
}

static ssize_t secure_read(struct tls_conn *c, void *dst, size_t len)
{
    size_t got;
    int ret = SSL_read_ex(c->ssl, dst, len, &got);
    if (ret == 1) {
        return (ssize_t)got;
    }
    int kind = SSL_get_error(c->ssl, ret);
    if (kind == SSL_ERROR_ZERO_RETURN) {
        /* SSL_OP_IGNORE_UNEXPECTED_EOF makes a bare FIN look like close_notify. */
        return c->socket_eof ? -ECONNABORTED : 0;
    }
    if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE) {
        tls_conn_fail_ssl(c, ret);
        return -EPROTO;
    }
    return -EAGAIN;
}

ssize_t tls_conn_read(struct tls_conn *c, void *dst, size_t len)
{
    ssize_t n;
    if (c->state == CONN_OPEN) {
        n = secure_read(c, dst, len);
        if (buf_len(&c->out) > 0) {
            loop_task_queue(&c->flush_task); /* an alert or a key update of OpenSSL's own */
        }
    } else if (c->state == CONN_CLEAR) {
        n = socket_read(c, dst, len);
        if (n < 0 && n != -EAGAIN) {
            tls_conn_fail_errno(c, (int)-n);
        }
    } else {
        n = c->state == CONN_HANDSHAKE ? -EAGAIN : -EPIPE;
    }
    c->more = n > 0;
    return n;
}

size_t tls_conn_room(const struct tls_conn *c)
{
    size_t pending = buf_len(&c->out);
    bool writes = (c->state == CONN_CLEAR || c->state == CONN_OPEN) && !c->ending;
    return writes && pending < TLS_OUTPUT_MAX ? TLS_OUTPUT_MAX - pending : 0;
}

ssize_t tls_conn_write(struct tls_conn *c, const void *src, size_t len)
{
    size_t room = tls_conn_room(c);
    if (c->state == CONN_FAILED || c->state == CONN_FINISHING || c->ending) {
        return -EPIPE;
    }
    if (len > room) {
        c->want_writable = true;
        len = room;
    }
    if (len == 0) {
        return room == 0 ? -EAGAIN : 0;
    }
    /* One allocation for the whole, records included. */
    bool ok = buf_reserve(&c->out, len + len / 256 + 256) != NULL;
    if (ok && c->state == CONN_OPEN) {
        size_t put = 0;
        int ret = SSL_write_ex(c->ssl, src, len, &put);
        if (ret != 1) {
            tls_conn_fail_ssl(c, ret);
            return -EPIPE;
        }
    } else if (!ok || !buf_append(&c->out, src, len)) {
        tls_conn_fail(c, TLS_INTERNAL, "out of memory");
        return -ENOMEM;
    }
    if (!c->blocked) {
        loop_task_queue(&c->flush_task);
    }
    return (ssize_t)len;
}

size_t tls_conn_pending(const struct tls_conn *c)
{
    return buf_len(&c->out);
}

void tls_conn_flush(struct tls_conn *c)
{
    if (c->state != CONN_FAILED && !c->blocked) {
        loop_task_cancel(&c->flush_task);
        tls_conn_send(c);
    }
}

int tls_conn_unread(struct tls_conn *c, struct span bytes, struct error *err)
{
    struct buf joined;
    buf_init(&joined, TLS_UNREAD_MAX);
    if (!buf_append_span(&joined, bytes) || !buf_append_span(&joined, buf_span(&c->in))) {
        buf_free(&joined);
        error_set(err, 0, "give bytes back to a connection: too many, or out of memory");
        return -ENOMEM;
    }
    buf_free(&c->in);
    c->in = joined;
    c->more = true;
    if (!c->paused) {
        loop_task_queue(&c->event_task);
    }
    return 0;
}

bool tls_conn_secure(const struct tls_conn *c)
{
    return c->ssl != NULL;
}

struct span tls_conn_alpn(const struct tls_conn *c)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    if (c->ssl != NULL) {
        SSL_get0_alpn_selected(c->ssl, &name, &len);
    }
    return span_of(name, len);
}

int tls_conn_fd(const struct tls_conn *c)
{
    return c->fd;
}
