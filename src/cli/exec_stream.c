#include "cli/exec_stream.h"
#include "base/cleanup.h"
#include "proto/exec/exec_frame.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe that is ready takes this much without blocking us. */
#define PIECE_BYTES 4096u

struct stream {
    int sock;
    struct buf *in;
    struct buf out;
    size_t pending; /* bytes of the frame at the front of `in` that are still to be written */
    int pending_fd;
    uint64_t credit;
    bool input_open;
    bool tty;
    int signals;
    struct exec_terminal terminal;
    bool over;
    int status;
};

void exec_window(unsigned short *rows, unsigned short *columns)
{
    struct winsize w;
    bool known = ioctl(STDIN_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0;
    *rows = known ? w.ws_row : 24;
    *columns = known ? w.ws_col : 80;
}

static void passed_on(sigset_t *set)
{
    static const int all[] = {SIGINT,  SIGTERM, SIGQUIT,  SIGHUP,
                              SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sigaddset(set, all[i]);
    }
}

void exec_block_signals(void)
{
    sigset_t set;
    passed_on(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void terminal_raw(struct exec_terminal *t)
{
    struct termios raw;
    if (!t->on && tcgetattr(STDIN_FILENO, &t->before) < 0) {
        return;
    }
    raw = t->before;
    cfmakeraw(&raw);
    t->on = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void terminal_restore(struct exec_terminal *t)
{
    if (t->on) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
        t->on = false;
    }
}

static int add_frame(struct stream *s, enum exec_frame_type type, const void *bytes, size_t len,
                     struct error *err)
{
    uint8_t head[EXEC_FRAME_HEAD];
    exec_frame_head(type, len, head);
    bool good = buf_append(&s->out, head, sizeof head) && buf_append(&s->out, bytes, len);
    return good ? 0 : error_set(err, 0, "exec: the supervisor does not take our signals");
}

static int add_window(struct stream *s, struct error *err)
{
    unsigned short rows, columns;
    exec_window(&rows, &columns);
    unsigned char size[4] = {(unsigned char)(rows >> 8), (unsigned char)rows,
                             (unsigned char)(columns >> 8), (unsigned char)columns};
    return add_frame(s, EXEC_RESIZE, size, sizeof size, err);
}

static int take_signal(struct stream *s, struct error *err)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != (ssize_t)sizeof info) {
        return 0;
    }
    unsigned char number = (unsigned char)info.ssi_signo;
    switch (number) {
    case SIGHUP: /* our end of the connection tells the process */
        s->over = true;
        s->status = 128 + SIGHUP;
        return 0;
    case SIGCONT:
        if (s->terminal.on) {
            terminal_raw(&s->terminal);
        }
        return s->tty ? add_window(s, err) : 0;
    case SIGWINCH:
        return s->tty ? add_window(s, err) : 0;
    default:
        return add_frame(s, EXEC_SIGNAL, &number, 1, err);
    }
}

static int take_input(struct stream *s, struct error *err)
{
    char bytes[EXEC_FRAME_MAX];
    size_t want = s->credit < sizeof bytes ? (size_t)s->credit : sizeof bytes;
    ssize_t n = read(STDIN_FILENO, bytes, want);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return 0;
    }
    /* A terminal that went away, or a folder: nothing more comes from there. */
    s->input_open = n > 0;
    s->credit -= n > 0 ? (uint64_t)n : 0;
    return add_frame(s, EXEC_STDIN, bytes, n > 0 ? (size_t)n : 0, err);
}

static int bad_frame(struct error *err)
{
    return error_set(err, 0,
                     "exec: the supervisor's answer is not understood: are sallyport and "
                     "the daemon of the same version?");
}

static int take_exit(struct stream *s, struct span p, struct error *err)
{
    unsigned char how = (unsigned char)p.ptr[0];
    unsigned char number = (unsigned char)p.ptr[1];
    struct span why = span_from(p, 2);
    s->over = true;
    s->status = how == EXEC_HOW_SIGNAL ? 128 + number : number;
    if (how == EXEC_HOW_LOST || how == EXEC_HOW_TIMEOUT) {
        return error_set(err, 0, "exec: %.*s", why.len > 0 ? (int)why.len : 30,
                         why.len > 0 ? why.ptr : "the sandbox ended");
    }
    return how <= EXEC_HOW_SIGNAL ? 0 : bad_frame(err);
}

/* The next frame, when it is here whole. Output stays at the front of `in` until it is written. */
static int take_frame(struct stream *s, bool *more, struct error *err)
{
    struct exec_frame f;
    size_t size;
    int found = exec_frame_parse(buf_span(s->in), EXEC_SERVER, &f, &size);
    *more = found == 1;
    if (found <= 0) {
        return found < 0 ? bad_frame(err) : 0;
    }
    if (f.type == EXEC_STDOUT || f.type == EXEC_STDERR) {
        buf_consume(s->in, EXEC_FRAME_HEAD);
        s->pending = f.payload.len;
        s->pending_fd = f.type == EXEC_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
        return 0;
    }
    int rc = 0;
    if (f.type == EXEC_EXIT) {
        rc = take_exit(s, f.payload, err);
    } else {
        const unsigned char *p = (const unsigned char *)f.payload.ptr;
        s->credit += (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    }
    buf_consume(s->in, size);
    return rc;
}

static int take_frames(struct stream *s, struct error *err)
{
    bool more = true;
    int rc = 0;
    while (rc == 0 && more && s->pending == 0 && !s->over) {
        rc = take_frame(s, &more, err);
    }
    return rc;
}

static int take_bytes(struct stream *s, struct error *err)
{
    char *to = buf_reserve(s->in, EXEC_FRAME_MAX);
    ssize_t n = to != NULL ? recv(s->sock, to, EXEC_FRAME_MAX, MSG_DONTWAIT) : -1;
    if (n < 0 && to != NULL && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n <= 0) {
        return error_set(err, 0, "exec: the supervisor went away: `sallyport ps` lists what runs");
    }
    buf_commit(s->in, (size_t)n);
    return take_frames(s, err);
}

static int write_pending(struct stream *s, struct error *err)
{
    struct stat st;
    bool regular = fstat(s->pending_fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t piece = regular || s->pending < PIECE_BYTES ? s->pending : PIECE_BYTES;
    ssize_t n = write(s->pending_fd, buf_span(s->in).ptr, piece);
    if (n < 0 && errno == EPIPE) {
        s->over = true;
        s->status = 128 + SIGPIPE;
        return 0;
    }
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        return error_set(err, errno, "exec: write to descriptor %d", s->pending_fd);
    }
    if (n > 0) {
        buf_consume(s->in, (size_t)n);
        s->pending -= (size_t)n;
    }
    return s->pending == 0 ? take_frames(s, err) : 0;
}

static int send_out(struct stream *s, struct error *err)
{
    struct span out = buf_span(&s->out);
    ssize_t n = send(s->sock, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        buf_consume(&s->out, (size_t)n);
        return 0;
    }
    /* It ended while we wrote: what it said last is still to be read. */
    if (errno == EPIPE || errno == ECONNRESET) {
        buf_clear(&s->out);
        s->input_open = false;
        return 0;
    }
    return errno == EAGAIN || errno == EINTR ? 0 : error_set(err, errno, "exec: send");
}

static int turn(struct stream *s, struct error *err)
{
    bool waits = s->pending > 0;
    bool hungry = s->input_open && s->credit > 0 && buf_len(&s->out) == 0;
    short sock = (short)((waits ? 0 : POLLIN) | (buf_len(&s->out) > 0 ? POLLOUT : 0));
    struct pollfd p[] = {
        {.fd = sock != 0 ? s->sock : -1, .events = sock},
        {.fd = s->signals, .events = POLLIN},
        {.fd = hungry ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = waits ? s->pending_fd : -1, .events = POLLOUT},
    };
    if (poll(p, 4, -1) < 0) {
        return errno == EINTR ? 0 : error_set(err, errno, "exec: poll");
    }
    int rc = p[1].revents != 0 ? take_signal(s, err) : 0;
    rc = rc == 0 && p[2].revents != 0 ? take_input(s, err) : rc;
    rc = rc == 0 && (p[0].revents & POLLOUT) != 0 ? send_out(s, err) : rc;
    rc = rc == 0 && p[3].revents != 0 ? write_pending(s, err) : rc;
    bool readable = !waits && (p[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
    return rc == 0 && readable ? take_bytes(s, err) : rc;
}

int exec_stream_run(struct client *c, bool tty, int *status, struct error *err)
{
    struct stream s = {
        .sock = client_fd(c),
        .in = client_early(c),
        .credit = EXEC_CREDIT_START,
        .input_open = true,
        .tty = tty,
    };
    sigset_t set;
    passed_on(&set);
    buf_init(&s.out, 2 * EXEC_FRAME_MAX);
    s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int rc = s.signals < 0 ? error_set(err, errno, "exec: signalfd") : 0;
    if (rc == 0 && tty) {
        terminal_raw(&s.terminal);
    }
    rc = rc < 0 ? rc : take_frames(&s, err);
    while (rc == 0 && !s.over) {
        rc = turn(&s, err);
    }
    terminal_restore(&s.terminal);
    close_fd(&s.signals);
    buf_free(&s.out);
    *status = s.status;
    return rc;
}
