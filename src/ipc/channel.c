/*
 * Theory of operation. The kernel hands over the descriptors of one sendmsg together with its
 * first byte, and ends a read behind bytes that came with descriptors. So those that were taken
 * and not yet used always belong to the frame whose first byte is the first in the buffer: they
 * are held in `held`, and a frame must declare exactly as many as are held when its head is there.
 */
#include "ipc/frame.h"
#include "ipc/rights.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#define READ_BYTES   (16u * 1024u)
#define WRITE_IOVECS 64

struct out_frame {
    struct list node;
    size_t at;
    size_t len;
    size_t fd_count;
    int fds[IPC_FDS_MAX];
    char bytes[];
};

struct ipc_channel {
    int fd;
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_task flush;
    const struct ipc_rule *rules;
    size_t body_max;
    size_t queue_max;
    size_t fds_max; /* 0: descriptors are dropped by the kernel and end the channel */
    ipc_message_fn message;
    ipc_closed_fn closed;
    void *arg;

    struct buf in;
    int held[2 *
             IPC_FDS_MAX]; /* taken, of the first frame in `in` (and, while parsing, the next) */
    size_t held_count;

    struct list out;
    size_t out_bytes;
    bool out_broken; /* the other end no longer reads; what it wrote before is still read */

    bool in_callback;
    bool destroyed; /* inside a callback: freed when it returns */
    bool ended;
};

static void fds_close(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close_fd(&fds[i]);
    }
}

static void out_free(struct ipc_channel *ch, struct out_frame *f)
{
    ch->out_bytes -= f->len;
    list_remove(&f->node);
    fds_close(f->fds, f->fd_count);
    explicit_bzero(f->bytes, f->len);
    free(f);
}

static void out_clear(struct ipc_channel *ch)
{
    while (!list_empty(&ch->out)) {
        out_free(ch, LIST_ENTRY(ch->out.next, struct out_frame, node));
    }
}

static void channel_free(struct ipc_channel *ch)
{
    out_clear(ch);
    fds_close(ch->held, ch->held_count);
    buf_wipe(&ch->in);
    close_fd(&ch->fd);
    free(ch);
}

/* From here on nothing is read or written; closed is the last callback. */
static void channel_end(struct ipc_channel *ch, const char *why)
{
    if (ch->ended) {
        return;
    }
    ch->ended = true;
    ch->out_broken = true;
    loop_watch_cancel(ch->watch);
    ch->watch = NULL;
    loop_task_cancel(&ch->flush);
    out_clear(ch);
    bool outer = !ch->in_callback;
    ch->in_callback = true;
    ch->closed(ch->arg, why);
    if (outer) {
        ch->in_callback = false;
        if (ch->destroyed) {
            channel_free(ch);
        }
    }
}

static void out_written(struct ipc_channel *ch, size_t n)
{
    while (n > 0) {
        struct out_frame *f = LIST_ENTRY(ch->out.next, struct out_frame, node);
        size_t take = n < f->len - f->at ? n : f->len - f->at;
        f->at += take;
        n -= take;
        /* They travelled with the first byte. */
        fds_close(f->fds, f->fd_count);
        f->fd_count = 0;
        if (f->at == f->len) {
            out_free(ch, f);
        }
    }
}

/* One sendmsg: the first frame, and those after it up to the next that has descriptors. */
static ssize_t out_write(struct ipc_channel *ch)
{
    struct iovec iov[WRITE_IOVECS];
    size_t count = 0;
    struct msghdr m = {.msg_iov = iov};
    union rights r;
    LIST_FOREACH(node, &ch->out)
    {
        struct out_frame *f = LIST_ENTRY(node, struct out_frame, node);
        if (count == WRITE_IOVECS || (count > 0 && f->fd_count > 0)) {
            break;
        }
        rights_attach(&m, &r, f->fds, count == 0 ? f->fd_count : 0);
        iov[count++] = (struct iovec){f->bytes + f->at, f->len - f->at};
    }
    m.msg_iovlen = count;
    return sendmsg(ch->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void flush(void *arg)
{
    struct ipc_channel *ch = arg;
    while (!list_empty(&ch->out)) {
        ssize_t n = out_write(ch);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) {
            /* What the other end said before it went is still to be read; that ends the channel. */
            ch->out_broken = true;
            out_clear(ch);
            break;
        }
        out_written(ch, (size_t)n);
    }
    if (ch->watch != NULL) {
        loop_watch_set(ch->watch, LOOP_READ | (list_empty(&ch->out) ? 0 : LOOP_WRITE));
    }
}

/* Room for `want` more bytes; memory that is outgrown is overwritten. */
static char *in_room(struct ipc_channel *ch, size_t want)
{
    struct buf *b = &ch->in;
    if (b->cap - b->end >= want) {
        return b->mem + b->end;
    }
    struct buf next;
    buf_init(&next, b->ceiling);
    if (buf_reserve(&next, buf_len(b) + want) == NULL || !buf_append_span(&next, buf_span(b))) {
        buf_free(&next);
        return NULL;
    }
    buf_wipe(b);
    *b = next;
    return buf_reserve(b, want);
}

/* Hands the whole frames at the front of the buffer to the owner. false: the channel has ended. */
static bool deliver(struct ipc_channel *ch, size_t *need, const char **why)
{
    for (;;) {
        struct span in = buf_span(&ch->in);
        struct ipc_message msg = {0};
        enum frame_result result = frame_parse(in, ch->rules, &msg, need, why);
        if (result == FRAME_BROKEN) {
            return false;
        }
        if (*need > FRAME_HEAD_BYTES + ch->body_max) {
            *why = "control message: longer than allowed";
            return false;
        }
        size_t declared = in.len >= FRAME_HEAD_BYTES ? frame_declared_fds(in) : IPC_FDS_MAX;
        if (result == FRAME_PARTIAL) {
            *why = "control message: descriptors missing or left over";
            return in.len >= FRAME_HEAD_BYTES ? ch->held_count == declared
                                              : ch->held_count <= (in.len > 0 ? IPC_FDS_MAX : 0);
        }
        if (ch->held_count < declared) {
            *why = "control message: descriptors missing or left over";
            return false;
        }
        memcpy(msg.fds, ch->held, declared * sizeof(int));
        ch->held_count -= declared;
        memmove(ch->held, ch->held + declared, ch->held_count * sizeof(int));

        ch->in_callback = true;
        ch->message(ch->arg, &msg);
        ch->in_callback = false;
        fds_close(msg.fds, msg.fd_count);
        explicit_bzero(ch->in.mem + ch->in.start, *need);
        buf_consume(&ch->in, *need);
        if (ch->destroyed) {
            return true;
        }
    }
}

static void readable(struct ipc_channel *ch)
{
    size_t need = 0;
    const char *why = "control message";
    /* Known to be possible: the limits of the frame at the front were checked. */
    if (buf_len(&ch->in) >= FRAME_HEAD_BYTES) {
        struct ipc_message ignored;
        frame_parse(buf_span(&ch->in), ch->rules, &ignored, &need, &why);
    }
    size_t rest = need > buf_len(&ch->in) ? need - buf_len(&ch->in) : 0;
    /* A large frame grows with what came, not with what its head promises. */
    size_t want = rest > buf_len(&ch->in) ? buf_len(&ch->in) : rest;
    want = want < READ_BYTES ? READ_BYTES : want;
    char *to = in_room(ch, want);
    if (to == NULL) {
        channel_end(ch, "control message: out of memory");
        return;
    }
    struct iovec iov = {to, ch->in.cap - ch->in.end < want ? ch->in.cap - ch->in.end : want};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    union rights r;
    rights_expect(&m, &r, ch->fds_max);
    ssize_t n = recvmsg(ch->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            channel_end(ch, errno == ECONNRESET ? IPC_GONE : strerror(errno));
        }
        return;
    }
    ch->held_count += rights_take(&m, ch->held + ch->held_count);
    if ((m.msg_flags & MSG_CTRUNC) != 0) {
        channel_end(ch, "control message: descriptors that are not expected");
        return;
    }
    if (n == 0) {
        channel_end(ch, buf_len(&ch->in) > 0 ? IPC_GONE " inside a message" : IPC_GONE);
        return;
    }
    buf_commit(&ch->in, (size_t)n);
    bool alive = deliver(ch, &need, &why);
    if (ch->destroyed) {
        channel_free(ch);
    } else if (!alive) {
        channel_end(ch, why);
    } else if (buf_len(&ch->in) == 0 && ch->in.cap > 2 * READ_BYTES) {
        buf_free(&ch->in);
    }
}

static void watched(void *arg, unsigned events)
{
    struct ipc_channel *ch = arg;
    if ((events & LOOP_WRITE) != 0 && !list_empty(&ch->out)) {
        flush(ch);
    }
    if ((events & LOOP_READ) != 0) {
        readable(ch);
    }
}

struct ipc_channel *ipc_channel_create(struct loop *loop, int fd, const struct ipc_rule *rules,
                                       ipc_message_fn message, ipc_closed_fn closed, void *arg,
                                       struct error *err)
{
    cleanup_close int given = fd;
    struct ipc_channel *ch = calloc(1, sizeof *ch);
    if (ch == NULL) {
        error_set(err, ENOMEM, "control channel");
        return NULL;
    }
    *ch = (struct ipc_channel){
        .fd = -1,
        .loop = loop,
        .rules = rules,
        .body_max = IPC_BODY_MAX,
        .queue_max = IPC_QUEUE_MAX,
        .fds_max = frame_rules_fds_max(rules),
        .message = message,
        .closed = closed,
        .arg = arg,
    };
    buf_init(&ch->in, FRAME_HEAD_BYTES + IPC_BODY_MAX + 2 * READ_BYTES);
    list_init(&ch->out);
    loop_task_init(&ch->flush, loop, flush, ch);
    int flags = fcntl(given, F_GETFL);
    if (flags < 0 || fcntl(given, F_SETFL, flags | O_NONBLOCK) < 0) {
        error_set(err, errno, "control channel");
        free(ch);
        return NULL;
    }
    if (loop_watch_start(loop, given, LOOP_READ, watched, ch, &ch->watch, err) < 0) {
        free(ch);
        return NULL;
    }
    ch->fd = steal_fd(&given);
    return ch;
}

void ipc_channel_limit(struct ipc_channel *ch, size_t body_max, size_t queue_max)
{
    ch->body_max = body_max < IPC_BODY_MAX ? body_max : IPC_BODY_MAX;
    ch->queue_max = queue_max < IPC_QUEUE_MAX ? queue_max : IPC_QUEUE_MAX;
    buf_free(&ch->in);
    buf_init(&ch->in, FRAME_HEAD_BYTES + ch->body_max + 2 * READ_BYTES);
}

void ipc_channel_destroy(struct ipc_channel *ch)
{
    if (ch == NULL || ch->destroyed) {
        return;
    }
    ch->destroyed = true;
    if (!ch->ended) {
        flush(ch);
        ch->ended = true;
        ch->out_broken = true;
        loop_watch_cancel(ch->watch);
        ch->watch = NULL;
        loop_task_cancel(&ch->flush);
    }
    if (!ch->in_callback) {
        channel_free(ch);
    }
}

size_t ipc_waiting(const struct ipc_channel *ch)
{
    return ch->out_bytes;
}

void ipc_channel_flush(struct ipc_channel *ch)
{
    if (!ch->ended) {
        flush(ch);
    }
}

bool ipc_send(struct ipc_channel *ch, uint16_t type, const struct span *fields, size_t field_count,
              const int *fds, size_t fd_count)
{
    size_t size = frame_size(fields, field_count, fd_count);
    if (ch->out_broken || size == 0 || size > ch->queue_max - ch->out_bytes) {
        return false;
    }
    struct out_frame *f = malloc(sizeof *f + size);
    if (f == NULL) {
        return false;
    }
    f->at = 0;
    f->len = size;
    f->fd_count = 0;
    for (; f->fd_count < fd_count; f->fd_count++) {
        f->fds[f->fd_count] = fcntl(fds[f->fd_count], F_DUPFD_CLOEXEC, 0);
        if (f->fds[f->fd_count] < 0) {
            fds_close(f->fds, f->fd_count);
            free(f);
            return false;
        }
    }
    frame_write(f->bytes, type, fields, field_count, fd_count);
    list_append(&ch->out, &f->node);
    ch->out_bytes += size;
    loop_task_queue(&ch->flush);
    return true;
}
