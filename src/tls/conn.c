/*
 * States and callbacks of a connection.
 *
 * Everything that calls the owner comes from conn_event (the socket) or conn_turn (a task at the
 * end of the turn); calls of the owner only change state and queue the task. So no callback is ever
 * made inside a call, and a connection may be destroyed in each of them.
 */
#include "tls/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_MS      30000u /* finish: a peer that takes no byte for so long is cut */
#define DISCARD_BYTES 16384

static void conn_free(struct tls_conn *c)
{
    if (c->ssl != NULL) {
        /* Else OpenSSL takes a connection that just ends for a reason never to resume its session.
         */
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(c->ssl);
    buf_free(&c->in);
    buf_free(&c->out);
    free((void *)(uintptr_t)c->expect_sni.ptr);
    free((void *)(uintptr_t)c->session_key.ptr);
    free(c);
}

static void conn_enter(struct tls_conn *c)
{
    c->depth++;
}

/* false: the owner destroyed it meanwhile, c is gone. */
static bool conn_leave(struct tls_conn *c)
{
    c->depth--;
    if (c->doomed && c->depth == 0) {
        conn_free(c);
        return false;
    }
    return !c->doomed;
}

void tls_conn_watch_update(struct tls_conn *c)
{
    unsigned want = 0;
    if (c->state != CONN_FAILED) {
        bool reads = c->state == CONN_HANDSHAKE || c->state == CONN_FINISHING || !c->paused;
        want |= reads && !c->socket_eof ? LOOP_READ : 0;
        want |= c->blocked ? LOOP_WRITE : 0;
    }
    loop_watch_set(c->watch, want);
}

void tls_conn_fail(struct tls_conn *c, enum tls_failure failure, const char *why)
{
    if (c->state == CONN_FAILED) {
        return;
    }
    c->state = CONN_FAILED;
    c->failure = failure;
    snprintf(c->why, sizeof c->why, "%s", why);
    loop_task_cancel(&c->flush_task);
    tls_conn_watch_update(c);
    loop_task_queue(&c->event_task);
}

void tls_conn_fail_errno(struct tls_conn *c, int errnum)
{
    tls_conn_fail(c, errnum == ENOMEM ? TLS_INTERNAL : TLS_CLOSED, strerror(errnum));
}

/* The last bytes are out: FIN, then wait for the peer's. */
static void finish_sent(struct tls_conn *c)
{
    if (c->fin_sent) {
        return;
    }
    c->fin_sent = true;
    shutdown(c->fd, SHUT_WR);
    if (c->socket_eof) {
        tls_conn_fail(c, TLS_CLOSED, "finished");
    } else if (c->finish_timer != NULL) {
        loop_timer_again(c->finish_timer, TLS_FINISH_MS);
    }
}

bool tls_conn_send(struct tls_conn *c)
{
    while (buf_len(&c->out) > 0) {
        struct span s = buf_span(&c->out);
        ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL); /* syscall: sendto */
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            tls_conn_fail_errno(c, errno);
            return false;
        }
        if (n > 0) {
            buf_consume(&c->out, (size_t)n);
        }
        c->blocked = n < (ssize_t)s.len;
        if (c->blocked) {
            break;
        }
    }
    if (buf_len(&c->out) == 0) {
        c->blocked = false;
        buf_trim(&c->out);
        if (c->state == CONN_FINISHING) {
            finish_sent(c);
        } else if (c->ending && !c->fin_sent) {
            c->fin_sent = true;
            shutdown(c->fd, SHUT_WR);
        }
    } else if (c->state == CONN_FINISHING && c->finish_timer != NULL) {
        loop_timer_again(c->finish_timer, STALL_MS);
    }
    if (c->want_writable && buf_len(&c->out) < TLS_OUTPUT_MAX / 2) {
        c->want_writable = false;
        c->ready_writable = true;
        loop_task_queue(&c->event_task);
    }
    tls_conn_watch_update(c);
    return c->state != CONN_FAILED;
}

static void conn_flush_task(void *arg)
{
    struct tls_conn *c = arg;
    if (c->state != CONN_FAILED && !c->blocked) {
        tls_conn_send(c);
    }
}

/* Each notify_* returns false when c is gone. */
static bool notify_closed(struct tls_conn *c)
{
    const struct tls_conn_events *ev = c->events;
    c->events = NULL;
    conn_enter(c);
    if (ev != NULL && ev->closed != NULL) {
        ev->closed(c->arg, c->failure, c->why);
    }
    return conn_leave(c);
}

static bool notify_readable(struct tls_conn *c)
{
    if (c->paused || c->events == NULL || c->events->readable == NULL) {
        c->more = true;
        return true;
    }
    c->more = true;
    conn_enter(c);
    c->events->readable(c->arg);
    if (!conn_leave(c)) {
        return false;
    }
    bool reads = c->state == CONN_CLEAR || c->state == CONN_OPEN;
    if (c->more && !c->paused && reads) {
        loop_task_queue(&c->event_task);
    }
    return true;
}

static bool notify_plain(struct tls_conn *c, void (*fn)(void *arg))
{
    if (fn == NULL) {
        return true;
    }
    conn_enter(c);
    fn(c->arg);
    return conn_leave(c);
}

/* Goes on with the handshake; true when it is done and c is still there. */
static bool handshake_step(struct tls_conn *c)
{
    int ret = SSL_do_handshake(c->ssl);
    if (ret != 1) {
        tls_conn_fail_ssl(c, ret);
    }
    if (buf_len(&c->out) > 0) {
        /* An alert should still reach the peer when the handshake failed. */
        if (c->state == CONN_FAILED) {
            (void)!send(c->fd, buf_span(&c->out).ptr, buf_len(&c->out), MSG_NOSIGNAL);
        } else if (ret == 1) {
            loop_task_queue(&c->flush_task);
        } else {
            tls_conn_send(c);
        }
    }
    if (ret != 1 || (SSL_is_server(c->ssl) && !tls_server_accepts(c))) {
        return false;
    }
    c->state = CONN_OPEN;
    tls_conn_watch_update(c);
    return notify_plain(c, c->events != NULL ? c->events->handshaken : NULL);
}

static void finish_discard(struct tls_conn *c)
{
    char sink[DISCARD_BYTES];
    ssize_t n = recv(c->fd, sink, sizeof sink, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        c->socket_eof = true;
        tls_conn_watch_update(c);
        if (c->fin_sent || n < 0) {
            tls_conn_fail(c, TLS_CLOSED, "finished");
        }
    }
}

static void input_step(struct tls_conn *c)
{
    switch (c->state) {
    case CONN_HANDSHAKE:
        if (handshake_step(c)) {
            notify_readable(c);
        }
        break;
    case CONN_CLEAR:
    case CONN_OPEN:
        notify_readable(c);
        break;
    case CONN_FINISHING:
        finish_discard(c);
        break;
    case CONN_FAILED:
        break;
    }
}

static void conn_event(void *arg, unsigned events)
{
    struct tls_conn *c = arg;
    if ((events & LOOP_WRITE) != 0 && !tls_conn_send(c)) {
        return;
    }
    if ((events & LOOP_READ) != 0) {
        c->drained = false;
        input_step(c);
    }
}

static void conn_turn(void *arg)
{
    struct tls_conn *c = arg;
    if (c->state == CONN_FAILED) {
        if (c->events != NULL) {
            notify_closed(c);
        }
        return;
    }
    if (c->ready_writable) {
        c->ready_writable = false;
        if (!notify_plain(c, c->events != NULL ? c->events->writable : NULL)) {
            return;
        }
    }
    if (c->state == CONN_HANDSHAKE || (c->more && !c->paused && c->state != CONN_FINISHING)) {
        input_step(c);
    }
}

struct tls_conn *tls_conn_create(struct loop *loop, int fd, const struct tls_conn_events *events,
                                 void *arg, struct error *err)
{
    int one = 1;
    struct tls_conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        error_set(err, 0, "connection: out of memory");
        close(fd);
        return NULL;
    }
    /* Not a TCP socket in some tests: then there is no delay to turn off. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->loop = loop;
    c->fd = fd;
    c->events = events;
    c->arg = arg;
    c->state = CONN_CLEAR;
    buf_init(&c->in, TLS_UNREAD_MAX);
    buf_init(&c->out, TLS_OUTPUT_MAX + TLS_OUTPUT_SLACK);
    loop_task_init(&c->flush_task, loop, conn_flush_task, c);
    loop_task_init(&c->event_task, loop, conn_turn, c);
    if (loop_watch_start(loop, fd, LOOP_READ, conn_event, c, &c->watch, err) < 0) {
        close(fd);
        conn_free(c);
        return NULL;
    }
    return c;
}

void tls_conn_destroy(struct tls_conn *c)
{
    if (c == NULL || c->doomed) {
        return;
    }
    loop_task_cancel(&c->flush_task);
    loop_task_cancel(&c->event_task);
    loop_timer_cancel(c->finish_timer);
    loop_watch_cancel(c->watch);
    close(c->fd);
    c->fd = -1;
    c->events = NULL;
    c->state = CONN_FAILED;
    c->doomed = true;
    if (c->depth == 0) {
        conn_free(c);
    }
}

void tls_conn_reset(struct tls_conn *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    tls_conn_destroy(c);
}

void tls_conn_end(struct tls_conn *c)
{
    bool writes = c->state == CONN_CLEAR || c->state == CONN_OPEN;
    if (!writes || c->ending) {
        return;
    }
    if (c->state == CONN_OPEN) {
        SSL_shutdown(c->ssl);
    }
    c->ending = true;
    c->want_writable = false;
    loop_task_queue(&c->flush_task);
}

static void finish_timeout(void *arg)
{
    tls_conn_fail(arg, TLS_CLOSED, "finished");
}

void tls_conn_finish(struct tls_conn *c)
{
    if (c->state == CONN_FAILED || c->state == CONN_FINISHING) {
        return;
    }
    if (c->state == CONN_OPEN && !c->ending) {
        SSL_shutdown(c->ssl);
    }
    c->fin_sent = false; /* tls_conn_end may have sent it: then it is only waited for the peer's */
    c->state = CONN_FINISHING;
    c->want_writable = false;
    c->ready_writable = false;
    c->finish_timer = loop_timer_start(c->loop, STALL_MS, 0, finish_timeout, c);
    if (c->finish_timer == NULL) {
        tls_conn_fail(c, TLS_INTERNAL, "out of memory");
        return;
    }
    tls_conn_watch_update(c);
    loop_task_queue(&c->flush_task);
}

void tls_conn_set_events(struct tls_conn *c, const struct tls_conn_events *events, void *arg)
{
    c->events = events;
    c->arg = arg;
    if (c->more && !c->paused) {
        loop_task_queue(&c->event_task);
    }
}

void tls_conn_pause(struct tls_conn *c, bool pause)
{
    if (c->paused == pause) {
        return;
    }
    c->paused = pause;
    tls_conn_watch_update(c);
    if (!pause && c->more) {
        loop_task_queue(&c->event_task);
    }
}
