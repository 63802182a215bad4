/*
 * A client's life: accepted, timed, ended. What it speaks is the business of the other files.
 *
 * syscalls: getsockname, getpeername
 */
#include "sidecar/client.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void client_free(struct client *c)
{
    struct sidecar *s = c->s;
    list_remove(&c->node);
    loop_task_cancel(&c->task);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c->connect_name);
    free(c->sni);
    free(c);
    s->client_count--;
    sidecar_listen_resume(s);
    if (s->draining && s->client_count == 0) {
        loop_stop(s->loop);
    }
}

static void input(struct client *c)
{
    switch (c->phase) {
    case CLIENT_SNIFF:
        sniff_input(c);
        break;
    case CLIENT_HTTP:
        http_input(c);
        break;
    case CLIENT_TUNNEL:
        tunnel_input(c);
        break;
    case CLIENT_HANDSHAKE:
    case CLIENT_FINISHING:
    case CLIENT_DEAD:
        break;
    }
}

static void client_turn(void *arg)
{
    struct client *c = arg;
    if (c->phase == CLIENT_DEAD) {
        client_free(c);
        return;
    }
    if (!client_out_flush(c)) {
        return;
    }
    if (c->response == RESPONSE_DONE && buf_len(&c->out) == 0) {
        if (c->phase == CLIENT_HTTP) {
            http_next(c);
        } else if (c->phase == CLIENT_TUNNEL) {
            tunnel_out_done(c);
        }
    }
    if (c->wake) {
        c->wake = false;
        input(c);
    }
}

void client_turn_queue(struct client *c)
{
    loop_task_queue(&c->task);
}

void client_deadline(struct client *c, uint64_t ms)
{
    c->deadline_ms = ms != 0 ? clock_monotonic_ms() + ms : 0;
}

void client_stream_drop(struct client *c, enum gate_reset reason)
{
    if (c->stream != 0) {
        gate_send_reset(c->s->gate, c->stream, reason);
        c->stream = 0;
    }
}

static void client_die(struct client *c)
{
    client_stream_drop(c, GATE_RESET_CANCEL);
    c->conn = NULL;
    c->phase = CLIENT_DEAD;
    client_turn_queue(c);
}

void client_cut(struct client *c)
{
    if (c->phase != CLIENT_DEAD) {
        tls_conn_reset(c->conn);
        client_die(c);
    }
}

void client_finish(struct client *c)
{
    if (c->phase == CLIENT_DEAD || c->phase == CLIENT_FINISHING) {
        return;
    }
    client_stream_drop(c, GATE_RESET_CANCEL);
    c->phase = CLIENT_FINISHING;
    client_deadline(c, 0);
    buf_free(&c->in);
    tls_conn_finish(c->conn);
}

ssize_t client_fill(struct client *c, size_t room)
{
    char *to = buf_reserve(&c->in, room);
    if (to == NULL) {
        client_cut(c);
        return -ENOMEM;
    }
    ssize_t n = tls_conn_read(c->conn, to, room);
    if (n > 0) {
        buf_commit(&c->in, (size_t)n);
        return n;
    }
    buf_trim(&c->in);
    if (n == -EAGAIN) {
        return 0;
    }
    if (n == 0) {
        c->eof = true;
        return 0;
    }
    /* Cut short (TLS without close_notify) or failed: nobody is there to answer. */
    client_cut(c);
    return n;
}

static void conn_readable(void *arg)
{
    input(arg);
}

static void conn_writable(void *arg)
{
    client_turn_queue(arg);
}

static void conn_handshaken(void *arg)
{
    http_start(arg);
}

static void conn_closed(void *arg, enum tls_failure failure, const char *why)
{
    struct client *c = arg;
    if (c->phase == CLIENT_HANDSHAKE) {
        client_note(c, failure == TLS_CA_REJECTED ? GATE_NOTE_CA_REJECTED : GATE_NOTE_TLS_FAILED,
                    span_str(why));
    }
    tls_conn_destroy(c->conn);
    client_die(c);
}

static const struct tls_conn_events conn_events = {conn_readable, conn_writable, conn_handshaken,
                                                   conn_closed};

/* Where the sandbox meant to go; at the front door, where the client comes from. */
static bool address_take(struct client *c, int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    struct sockaddr *addr = (struct sockaddr *)&at;
    int rc = c->s->front ? getpeername(fd, addr, &len) : getsockname(fd, addr, &len);
    return rc == 0 && sidecar_address(&at, c->dest, &c->dest_port);
}

void client_accept(struct sidecar *s, int fd)
{
    struct client *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->s = s;
    }
    if (c == NULL || !address_take(c, fd)) {
        free(c);
        close(fd);
        return;
    }
    c->conn = tls_conn_create(s->loop, fd, &conn_events, c, NULL);
    if (c->conn == NULL) {
        free(c);
        return;
    }
    c->id = ++s->last_conn;
    buf_init(&c->in, CLIENT_IN_MAX);
    buf_init(&c->out, CLIENT_OUT_MAX);
    loop_task_init(&c->task, s->loop, client_turn, c);
    list_append(&s->clients, &c->node);
    s->client_count++;
    if (s->front) {
        http_start(c);
        http_input(c);
    } else {
        client_deadline(c, SIDECAR_SNIFF_MS);
        sniff_input(c);
    }
}

bool client_idle(const struct client *c)
{
    return c->phase == CLIENT_HTTP && c->request == REQUEST_HEAD && buf_len(&c->in) == 0;
}

static void timed_out(struct client *c)
{
    if (client_idle(c)) {
        client_finish(c);
    } else if (c->phase == CLIENT_HTTP && c->response == RESPONSE_NONE) {
        http_answer(c, 408, NULL, "The request did not come in time.");
    } else {
        client_cut(c);
    }
}

void client_tick(struct client *c, uint64_t now_ms)
{
    if (c->phase == CLIENT_DEAD || c->phase == CLIENT_FINISHING) {
        return;
    }
    size_t waits = buf_len(&c->out) + tls_conn_pending(c->conn);
    if (waits == 0 || waits != c->waited) {
        c->moved_ms = now_ms;
    }
    c->waited = waits;
    if (waits != 0 && now_ms - c->moved_ms > SIDECAR_STALL_MS) {
        client_cut(c);
    } else if (c->deadline_ms != 0 && now_ms >= c->deadline_ms) {
        c->deadline_ms = 0;
        timed_out(c);
    }
}

void client_peer(const struct client *c, struct gate_peer *peer)
{
    *peer = (struct gate_peer){
        .conn = c->id,
        .dest_port = c->dest_port,
        .tls = tls_conn_secure(c->conn) || c->phase == CLIENT_TUNNEL,
        .proxy = c->proxy,
        .sni = span_str(c->sni),
    };
    memcpy(peer->dest, c->dest, sizeof peer->dest);
    if (c->connect_name != NULL) {
        peer->name = span_str(c->connect_name);
    } else if (c->s->front || !dns_names_find(c->s->names, c->dest, &peer->name)) {
        peer->name = span_of("", 0);
    }
    if (peer->sni.ptr == NULL) {
        peer->sni = span_of("", 0);
    }
}

void client_note(struct client *c, enum gate_note note, struct span detail)
{
    if (c->s->gate != NULL && !c->s->front) {
        struct gate_peer peer;
        client_peer(c, &peer);
        gate_send_note(c->s->gate, &peer, note, detail);
    }
}
