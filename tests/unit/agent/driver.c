#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "driver.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000

/* As in a sandbox: root is nobody in particular. */
static bool rights_drop(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    return geteuid() != 0 ||
           (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT) == 0 && syscall(SYS_capset, &head, none) == 0);
}

void driver_start(struct driver *d)
{
    int pair[2];
    char number[16];
    *d = (struct driver){.socket = -1};
    buf_init(&d->body, IPC_BODY_MAX);
    snprintf(d->dir, sizeof d->dir, "/tmp/agent-test-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    d->socket = pair[0];
    fflush(NULL);
    d->pid = fork();
    if (d->pid == 0) {
        const int inner = fcntl(pair[1], F_DUPFD, 10);
        snprintf(number, sizeof number, "%d", inner);
        clearenv();
        setenv("PATH", "/usr/bin:/bin", 1);
        setenv("OF_THE_SANDBOX", "1", 1);
        if (chdir(d->dir) == 0 && rights_drop()) {
            execl(AGENT, "sallyport-agent", number, (char *)NULL);
        }
        _exit(125);
    }
    close(pair[1]);
    driver_hear(d);
    assert_int_equal(d->msg.type, AGENT_READY);
}

int driver_wait(struct driver *d)
{
    int status;
    char command[192];
    struct pollfd gone = {.fd = d->socket, .events = 0};
    assert_int_equal(poll(&gone, 1, DEADLINE_MS), 1);
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    close_fd(&d->socket);
    buf_free(&d->body);
    snprintf(command, sizeof command, "chmod -R u+w '%s'; rm -rf '%s'", d->dir, d->dir);
    assert_int_equal(system(command), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int driver_end(struct driver *d)
{
    kill(d->pid, SIGKILL);
    return driver_wait(d);
}

void driver_hear(struct driver *d)
{
    struct error err;
    struct pollfd ready = {.fd = d->socket, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    if (ipc_receive_blocking(d->socket, ipc_agent_says, &d->msg, &d->body, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_true(buf_len(&d->body) <= AGENT_BODY_MAX + 8);
}

const char *driver_field(struct driver *d, size_t i)
{
    static char text[AGENT_BODY_MAX + 1];
    assert_true(i < d->msg.field_count);
    memcpy(text, d->msg.fields[i].ptr, d->msg.fields[i].len);
    text[d->msg.fields[i].len] = '\0';
    return text;
}

static struct span words(struct buf *b, const char *const *list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        buf_append(b, list[i], strlen(list[i]) + 1);
    }
    return buf_span(b);
}

static struct span text_or(const char *text, const char *other)
{
    return span_str(text != NULL ? text : other);
}

uint32_t driver_run(struct driver *d, const struct ask *ask, const int *fds, size_t fd_count)
{
    char number[16];
    struct buf env;
    struct buf argv;
    buf_init(&env, IPC_BODY_MAX);
    buf_init(&argv, IPC_BODY_MAX);
    snprintf(number, sizeof number, "%u", ++d->last);
    const struct span fields[8] = {
        span_str(number),          text_or(ask->flags, ""), text_or(ask->timeout, "0"),
        text_or(ask->session, ""), text_or(ask->label, ""), text_or(ask->cwd, ""),
        words(&env, ask->env),     words(&argv, ask->argv),
    };
    assert_int_equal(ipc_send_blocking(d->socket, AGENT_RUN, fields, 8, fds, fd_count, NULL), 0);
    for (size_t i = 0; i < fd_count; i++) {
        close(fds[i]);
    }
    buf_free(&env);
    buf_free(&argv);
    return d->last;
}

/* Moves bytes until both outputs have ended and the process has told its end. */
struct pumped {
    int in, out, err;
    size_t err_len;
    const char *input;
    size_t input_left;
    bool told;
};

static void pump_output(int *fd, char *to, size_t room, size_t *len)
{
    const ssize_t n = read(*fd, to + *len, room - 1 - *len);
    *len += n > 0 ? (size_t)n : 0;
    to[*len] = '\0';
    if (n <= 0) {
        close_fd(fd);
    }
    assert_true(*len < room - 1);
}

static void pump_input(struct pumped *p)
{
    const ssize_t n = p->input_left > 0 ? write(p->in, p->input, p->input_left) : 0;
    if (n <= 0) {
        close_fd(&p->in);
        return;
    }
    p->input += n;
    p->input_left -= (size_t)n;
}

static void pump_told(struct driver *d, struct outcome *o, struct pumped *p)
{
    driver_hear(d);
    const int number = atoi(driver_field(d, 0));
    if (d->msg.type == AGENT_EXITED && number > 0 && number < (int)d->last) {
        return; /* the end of one in the background */
    }
    assert_int_equal(number, (int)d->last);
    if (d->msg.type == AGENT_STARTED) {
        o->pid = atoi(driver_field(d, 1));
        return;
    }
    p->told = true;
    if (d->msg.type == AGENT_REFUSED) {
        o->status = atoi(driver_field(d, 1));
        snprintf(o->why, sizeof o->why, "%.1000s", driver_field(d, 2));
        return;
    }
    assert_int_equal(d->msg.type, AGENT_EXITED);
    snprintf(o->how, sizeof o->how, "%.10s", driver_field(d, 1));
    o->number = atoi(driver_field(d, 2));
}

static void pump(struct driver *d, struct outcome *o, struct pumped *p)
{
    while (!p->told || p->out >= 0 || p->err >= 0) {
        struct pollfd fds[4] = {{.fd = p->told ? -1 : d->socket, .events = POLLIN},
                                {.fd = p->in, .events = POLLOUT},
                                {.fd = p->out, .events = POLLIN},
                                {.fd = p->err, .events = POLLIN}};
        assert_true(poll(fds, 4, DEADLINE_MS) > 0);
        if (fds[1].revents != 0) {
            pump_input(p);
        }
        if (fds[2].revents != 0) {
            pump_output(&p->out, o->out, sizeof o->out, &o->out_len);
        }
        if (fds[3].revents != 0) {
            pump_output(&p->err, o->err, sizeof o->err, &p->err_len);
        }
        if (fds[0].revents != 0) {
            pump_told(d, o, p);
        }
    }
    close_fd(&p->in);
}

void driver_do(struct driver *d, const struct ask *ask, struct outcome *o)
{
    int in[2] = {-1, -1};
    int out[2];
    int err[2];
    const bool input = ask->flags != NULL && strchr(ask->flags, 'i') != NULL;
    memset(o, 0, sizeof *o);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    assert_true(!input || pipe2(in, O_CLOEXEC) == 0);
    const int fds[3] = {in[0], out[1], err[1]};
    driver_run(d, ask, input ? fds : fds + 1, input ? 3 : 2);
    if (input) {
        fcntl(in[1], F_SETFL, O_NONBLOCK);
    }
    struct pumped p = {.in = in[1],
                       .out = out[0],
                       .err = err[0],
                       .input = ask->input,
                       .input_left = ask->input_len};
    pump(d, o, &p);
}

void driver_shell(struct driver *d, const char *session, const char *line, struct outcome *o)
{
    const char *const argv[] = {line, NULL};
    const struct ask ask = {.flags = "s", .session = session, .argv = argv};
    driver_do(d, &ask, o);
    assert_string_equal(o->why, "");
}

bool driver_call(struct driver *d, uint16_t type, const char *const *fields, const int *fds)
{
    char number[16];
    struct span f[8];
    size_t count = 1;
    snprintf(number, sizeof number, "%u", ++d->last);
    f[0] = span_str(number);
    for (size_t i = 0; fields[i] != NULL; i++) {
        f[count++] = span_str(fields[i]);
    }
    assert_int_equal(ipc_send_blocking(d->socket, type, f, count, fds, fds != NULL ? 2 : 0, NULL),
                     0);
    for (size_t i = 0; fds != NULL && i < 2; i++) {
        close(fds[i]);
    }
    do { /* the end of a process may come between */
        driver_hear(d);
    } while (d->msg.type != AGENT_REPLY);
    assert_string_equal(driver_field(d, 0), number);
    return span_eq(d->msg.fields[1], SPAN_LIT("ok"));
}
