/*
 * From START to READY. What hostile bytes could reach comes last, behind the filter.
 */
#include "sidecar/sidecar.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "ipc/conversations.h"
#include "isolate/fds.h"
#include "isolate/process.h"
#include "isolate/secretmem.h"
#include "sidecar/front.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

int sidecar_prepare(struct sidecar *s, int argc, char **argv, struct error *err)
{
    isolate_process_title_init(argc, argv);
    log_open("sidecar", argc > 1 ? argv[1] : NULL);
    isolate_process_reset_signals();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that is a file: no line is worth the process */
    list_init(&s->clients);
    list_init(&s->dns_clients);
    if (isolate_fds_close_from(IPC_CHILD_FD + 1, err) < 0) {
        return -1;
    }
    s->loop = loop_create(err);
    /* The supervisor's START waits for the launcher: time to make OpenSSL ready. */
    return s->loop != NULL && tls_warm_up(err) == 0 ? isolate_process_hide(err) : -1;
}

static int start_take(struct sidecar *s, struct ipc_message *msg, struct sidecar_fds *fds,
                      struct buf *cert, struct error *err)
{
    int *const all[] = {&fds->tcp, &fds->dns_udp, &fds->dns_tcp, &fds->gate,
                        &fds->key, &fds->user_ns, &fds->net_ns};
    int *const front[] = {&fds->tcp, &fds->gate, &fds->user_ns, &fds->net_ns};
    s->front = msg->type == SIDECAR_FRONT;
    if (msg->type != SIDECAR_START && !s->front) {
        return error_set(err, 0, "start of the sidecar: neither START nor FRONT");
    }
    for (size_t i = 0; i < msg->fd_count; i++) {
        *(s->front ? front[i] : all[i]) = steal_fd(&msg->fds[i]);
    }
    struct span id = msg->fields[0];
    if (id.len == 0 || id.len > SIDECAR_ID_MAX) {
        return error_set(err, 0, "start of the sidecar: malformed START");
    }
    memcpy(s->id, id.ptr, id.len);
    s->id[id.len] = '\0';
    s->intercept = !s->front && span_eq(msg->fields[1], SPAN_LIT("1"));
    if (!s->front && !buf_append_span(cert, msg->fields[2])) {
        return error_set(err, ENOMEM, "start of the sidecar: certificate");
    }
    isolate_process_title("sallyport-sidecar %s", s->id);
    return 0;
}

int sidecar_receive_start(struct sidecar *s, struct sidecar_fds *fds, struct buf *cert,
                          struct error *err)
{
    struct ipc_message msg;
    struct buf body;
    buf_init(&body, IPC_BODY_MAX);
    int rc = ipc_receive_blocking(IPC_CHILD_FD, ipc_sidecar_hears, &msg, &body, err);
    if (rc >= 0) {
        rc = start_take(s, &msg, fds, cert, err);
    }
    buf_free(&body);
    return rc;
}

int sidecar_make_ca(struct sidecar *s, struct sidecar_fds *fds, struct span cert, struct error *err)
{
    if (s->front) {
        return 0;
    }
    uint8_t *scalar = isolate_secretmem_map(fds->key, TLS_SCALAR_BYTES, err);
    if (scalar == NULL) {
        return -1;
    }
    s->mint = tls_mint_create(span_str(s->id), scalar, cert, err);
    /* Not to be read or changed again from here: a successor must find it whole. */
    isolate_secretmem_unmap(scalar, TLS_SCALAR_BYTES);
    close_fd(&fds->key);
    s->tls = s->mint != NULL ? tls_server_create(s->mint, err) : NULL;
    return s->tls != NULL ? 0 : -1;
}

static void on_message(void *arg, struct ipc_message *msg)
{
    struct sidecar *s = arg;
    struct error err;
    if (msg->type == SIDECAR_GATE) {
        if (sidecar_gate_open(s, steal_fd(&msg->fds[0]), &err) < 0) {
            log_error("%s", err.text);
        }
    } else if (msg->type == SIDECAR_DRAIN && s->front) {
        sidecar_front_drain(s);
    } else if (msg->type == SIDECAR_INTERCEPT && !s->front) {
        s->intercept = span_eq(msg->fields[0], SPAN_LIT("1"));
        struct span cert = tls_mint_cert(s->mint);
        ipc_send(s->control, SIDECAR_READY, &cert, 1, NULL, 0);
    } else {
        log_error("supervisor: a message that is not for a %s",
                  s->front ? "front door" : "sidecar");
        loop_stop(s->loop);
    }
}

static void on_closed(void *arg, const char *why)
{
    struct sidecar *s = arg;
    log_info("supervisor: %s", why);
    loop_stop(s->loop);
}

int sidecar_open(struct sidecar *s, struct sidecar_fds *fds, struct error *err)
{
    s->tcp_fd = steal_fd(&fds->tcp);
    s->dns_udp_fd = steal_fd(&fds->dns_udp);
    s->dns_tcp_fd = steal_fd(&fds->dns_tcp);
    s->names = s->front ? NULL : dns_names_create(DNS_NAMES_MAX);
    if (!s->front && s->names == NULL) {
        return error_set(err, ENOMEM, "table of names");
    }
    int rc = s->front ? sidecar_front_open(s, err) : 0;
    rc = rc < 0 ? rc : sidecar_gate_open(s, steal_fd(&fds->gate), err);
    return rc == 0 ? sidecar_listen(s, err) : rc;
}

int sidecar_ready(struct sidecar *s, struct error *err)
{
    struct span cert = s->front ? span_of("", 0) : tls_mint_cert(s->mint);
    s->control =
        ipc_channel_create(s->loop, IPC_CHILD_FD, ipc_sidecar_hears, on_message, on_closed, s, err);
    if (s->control == NULL || !ipc_send(s->control, SIDECAR_READY, &cert, 1, NULL, 0)) {
        return error_set(err, 0, "sidecar: its channel to the supervisor is closed");
    }
    return 0;
}

void sidecar_close(struct sidecar *s)
{
    ipc_channel_destroy(s->control);
}
