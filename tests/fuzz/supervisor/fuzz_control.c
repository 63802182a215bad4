/* A connection of the control API, from its first byte to its end. */
#include "supervisor/control_conn.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX 16384 /* so that every answer fits into the socket's buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void dispatch(struct call *c)
{
    size_t total = buf_len(&c->body);
    for (size_t i = 0; i < c->segment_count; i++) {
        total += c->segments[i].len;
        if (c->segments[i].len > 0 && memchr(c->segments[i].ptr, 0, c->segments[i].len) != NULL) {
            abort();
        }
    }
    for (size_t i = 0; i < c->query_count; i++) {
        total += c->query[i].name.len + c->query[i].value.len;
    }
    if (c->segment_count == 0 || total > CONTROL_TARGET_MAX + CONTROL_BODY_MAX) {
        abort();
    }
    if (total % 7 == 0) {
        call_reply_error(c, 400, "bad_request", "a message", NULL);
    } else if (total % 11 == 0) {
        struct conn *stream = call_stream(c, "text/event-stream", NULL, NULL);
        conn_stream_write(stream, SPAN_LIT("data: x\n\n"));
        conn_stream_end(stream);
    } else {
        call_reply_json(c, SPAN_LIT("{}"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    struct list all;
    if (size > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return 0;
    }
    list_init(&all);
    struct loop *loop = loop_create(NULL);
    if (write(pair[1], data, size) != (ssize_t)size) {
        abort();
    }
    shutdown(pair[1], SHUT_WR);
    conn_create(loop, pair[0], NULL, &all, dispatch, NULL);
    loop_run(loop); /* until the connection has ended */
    if (!list_empty(&all)) {
        abort();
    }
    loop_destroy(loop);
    close(pair[1]);
    return 0;
}
