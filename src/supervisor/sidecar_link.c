#include "supervisor/sidecar_link.h"

#include "ipc/conversations.h"
#include "supervisor/link.h"

#include <errno.h>
#include <stdlib.h>

struct sidecar_link {
    struct link link;
    const struct sidecar_events *events;
    void *arg;
};

static void on_message(void *arg, struct ipc_message *msg)
{
    struct sidecar_link *s = arg;
    switch ((enum ipc_sidecar_message)msg->type) {
    case SIDECAR_READY:
        s->events->ready(s->arg, msg->fields[0]);
        break;
    case SIDECAR_FAILED:
        link_failed(&s->link, msg->fields[0]);
        break;
    case SIDECAR_START:
    case SIDECAR_GATE:
    case SIDECAR_INTERCEPT:
    case SIDECAR_FRONT:
    case SIDECAR_DRAIN:
        break;
    }
}

static void on_ended(void *arg, const char *why)
{
    struct sidecar_link *s = arg;
    s->events->ended(s->arg, why);
}

int sidecar_link_start(struct loop *loop, const char *id, const struct sidecar_events *events,
                       void *arg, struct sidecar_link **out, struct error *err)
{
    struct sidecar_link *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return error_set(err, ENOMEM, "start the sidecar");
    }
    s->events = events;
    s->arg = arg;
    struct link_spec spec = {.program = "sallyport-sidecar",
                             .id = id,
                             .hears = ipc_sidecar_says,
                             .message = on_message,
                             .ended = on_ended,
                             .arg = s};
    int rc = link_open(loop, &spec, &s->link, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

bool sidecar_link_begin(struct sidecar_link *s, const struct sidecar_start *start)
{
    struct span fields[3] = {
        span_str(start->id),
        start->intercept_https ? SPAN_LIT("1") : SPAN_LIT("0"),
        start->certificate_der,
    };
    int fds[7] = {start->tcp,        start->dns_udp, start->dns_tcp, start->gate,
                  start->key_memory, start->user_ns, start->net_ns};
    return link_send(&s->link, SIDECAR_START, fields, 3, fds, 7);
}

bool sidecar_link_front(struct sidecar_link *s, const struct sidecar_front *front)
{
    struct span name = span_str(front->name);
    int fds[4] = {front->listener, front->gate, front->user_ns, front->net_ns};
    return link_send(&s->link, SIDECAR_FRONT, &name, 1, fds, 4);
}

bool sidecar_link_drain(struct sidecar_link *s)
{
    return link_send(&s->link, SIDECAR_DRAIN, NULL, 0, NULL, 0);
}

bool sidecar_link_gate(struct sidecar_link *s, int gate)
{
    return link_send(&s->link, SIDECAR_GATE, NULL, 0, &gate, 1);
}

bool sidecar_link_intercept(struct sidecar_link *s, bool intercept_https)
{
    struct span field = intercept_https ? SPAN_LIT("1") : SPAN_LIT("0");
    return link_send(&s->link, SIDECAR_INTERCEPT, &field, 1, NULL, 0);
}

pid_t sidecar_link_pid(const struct sidecar_link *s)
{
    return s != NULL ? link_pid(&s->link) : 0;
}

void sidecar_link_kill(struct sidecar_link *s)
{
    if (s != NULL) {
        link_kill(&s->link);
    }
}

void sidecar_link_destroy(struct sidecar_link *s)
{
    if (s != NULL) {
        link_close(&s->link);
        free(s);
    }
}
