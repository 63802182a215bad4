#include "ipc/frame.h"
#include "ipc/rights.h"
#include "base/cleanup.h"

#include <errno.h>
#include <sys/uio.h>

static void fds_close(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close_fd(&fds[i]);
    }
}

int ipc_send_blocking(int fd, uint16_t type, const struct span *fields, size_t field_count,
                      const int *fds, size_t fd_count, struct error *err)
{
    size_t size = frame_size(fields, field_count, fd_count);
    if (size == 0) {
        return error_set(err, EMSGSIZE, "send a control message");
    }
    char *frame = malloc(size);
    if (frame == NULL) {
        return error_set(err, ENOMEM, "send a control message");
    }
    frame_write(frame, type, fields, field_count, fd_count);
    int rc = 0;
    for (size_t at = 0; at < size;) {
        struct iovec iov = {frame + at, size - at};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        union rights r;
        rights_attach(&m, &r, fds, at == 0 ? fd_count : 0);
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rc = error_set(err, errno, "send a control message");
            break;
        }
        at += (size_t)n;
    }
    explicit_bzero(frame, size);
    free(frame);
    return rc;
}

/* Reads exactly len bytes. Descriptors are taken with the first of them only: most is 0 for the
 * rest of a frame, and one that comes there is an error. */
static int read_exact(int fd, char *to, size_t len, size_t most, struct ipc_message *msg,
                      struct error *err)
{
    for (size_t at = 0; at < len;) {
        struct iovec iov = {to + at, len - at};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        union rights r;
        rights_expect(&m, &r, at == 0 ? most : 0);
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set(err, errno, "receive a control message");
        }
        if (n == 0) {
            return error_set(err, EPIPE, "receive a control message");
        }
        if (at == 0 && most > 0) {
            msg->fd_count = rights_take(&m, msg->fds);
        }
        if ((m.msg_flags & MSG_CTRUNC) != 0) {
            return error_set(err, EPROTO, "control message: descriptors that are not expected");
        }
        at += (size_t)n;
    }
    return 0;
}

int ipc_receive_blocking(int fd, const struct ipc_rule *rules, struct ipc_message *msg,
                         struct buf *body, struct error *err)
{
    *msg = (struct ipc_message){0};
    buf_clear(body);
    char *head = buf_reserve(body, FRAME_HEAD_BYTES);
    if (head == NULL) {
        return error_set(err, ENOMEM, "receive a control message");
    }
    int rc = read_exact(fd, head, FRAME_HEAD_BYTES, frame_rules_fds_max(rules), msg, err);
    if (rc < 0) {
        goto fail;
    }
    buf_commit(body, FRAME_HEAD_BYTES);
    size_t came = msg->fd_count;
    size_t need = 0;
    const char *why = "control message: descriptors missing or left over";
    enum frame_result result = frame_parse(buf_span(body), rules, msg, &need, &why);
    msg->fd_count = came;
    if (result == FRAME_PARTIAL && frame_declared_fds(buf_span(body)) == came) {
        size_t rest = need - FRAME_HEAD_BYTES;
        char *to = buf_reserve(body, rest);
        if (to == NULL) {
            rc = error_set(err, ENOMEM, "receive a control message");
            goto fail;
        }
        rc = read_exact(fd, to, rest, 0, msg, err);
        if (rc < 0) {
            goto fail;
        }
        buf_commit(body, rest);
        result = frame_parse(buf_span(body), rules, msg, &need, &why);
        msg->fd_count = came;
    }
    if (result == FRAME_WHOLE && frame_declared_fds(buf_span(body)) == came) {
        return 0;
    }
    rc = error_set(err, EPROTO, "%s", why);
fail:
    fds_close(msg->fds, msg->fd_count);
    msg->fd_count = 0;
    return rc;
}
