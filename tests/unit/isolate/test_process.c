/* Processes, descriptors, secret memory, relays, terminals, the start report, the probe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "child.h"
#include "isolate/fds.h"
#include "isolate/guard.h"
#include "isolate/keyring.h"
#include "isolate/probe.h"
#include "isolate/process.h"
#include "isolate/pty.h"
#include "isolate/relay.h"
#include "isolate/secretmem.h"
#include "isolate/start_report.h"
#include "isolate/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof(data));
    syscall(SYS_capget, &head, data);
    return (data[0].effective | data[0].permitted | data[1].effective | data[1].permitted) != 0;
}

static void empty_namespaces_body(void)
{
    struct error err;
    int user;
    int net;
    const uid_t uid = geteuid() == 0 ? CHILD_ORDINARY : geteuid();
    CHECK_OK(isolate_userns_make_empty(uid, uid, &user, &net, &err));
    CHECK_OK(isolate_userns_join(user, net, &err));
    CHECK(geteuid() == uid && getegid() == uid);
    CHECK(!has_capabilities());
    struct if_nameindex *list = if_nameindex();
    CHECK(list != NULL && strcmp(list[0].if_name, "lo") == 0 && list[1].if_name == NULL);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(setuid(0) != 0);
}

static void hidden_body(void)
{
    struct error err;
    CHECK_OK(isolate_process_hide(&err));
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    CHECK_OK(isolate_keyring_new_session(&err));
}

static void dies_with_parent(void **state)
{
    (void)state;
    int up[2];
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const pid_t self = getpid();
        if (fork() == 0) {
            struct error err;
            CHECK_OK(isolate_process_die_with_parent(self, &err));
            CHECK(write(up[1], "x", 1) == 1);
            pause();
        }
        pause();
    }
    close(up[1]);
    char byte;
    assert_int_equal(read(up[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    assert_int_equal(read(up[0], &byte, 1), 0); /* the grandchild held the other end */
    close(up[0]);
    struct error err;
    assert_int_equal(isolate_process_die_with_parent(1 << 22, &err), -ESRCH);
    prctl(PR_SET_PDEATHSIG, 0);
}

static void descriptors_are_told_apart(void **state)
{
    (void)state;
    int pipes[2];
    int sockets[2];
    struct isolate_pty pty;
    struct error err;
    char name[] = "/tmp/fd-XXXXXX";
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    assert_int_equal(isolate_pty_open(-1, &pty, &err), 0);
    const struct {
        int fd;
        enum isolate_fd_kind kind;
        bool safe;
    } table[] = {
        {pipes[0], ISOLATE_FD_PIPE, true},
        {sockets[0], ISOLATE_FD_SOCKET, false},
        {pty.inner, ISOLATE_FD_TERMINAL, false},
        {open("/dev/null", O_RDWR), ISOLATE_FD_NULL, true},
        {open("/dev/zero", O_RDWR), ISOLATE_FD_OTHER, false},
        {open("/", O_RDONLY), ISOLATE_FD_DIRECTORY, false},
        {open("/etc/passwd", O_PATH), ISOLATE_FD_OTHER, false},
        {mkstemp(name), ISOLATE_FD_FILE, true},
        {1000, ISOLATE_FD_CLOSED, false},
    };
    unlink(name);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(isolate_fd_classify(table[i].fd), table[i].kind);
        assert_int_equal(isolate_fd_safe(table[i].kind), table[i].safe);
        close(table[i].fd);
    }
    close(pipes[1]);
    close(sockets[1]);
    close(pty.outer);
}

static void secret_memory_keeps_its_bytes(void **state)
{
    (void)state;
    struct error err;
    bool secret;
    int fd = isolate_secretmem_create(32, &secret, &err);
    assert_true(fd >= 0);
    char *a = isolate_secretmem_map(fd, 32, &err);
    assert_non_null(a);
    memset(a, 7, 32);
    isolate_secretmem_unmap(a, 32);
    char *b = isolate_secretmem_map(fd, 32, &err);
    assert_int_equal(b[31], 7);
    isolate_secretmem_unmap(b, 32);
    assert_null(isolate_secretmem_map(fd, 64, &err));
    assert_int_not_equal(ftruncate(fd, 8), 0);
    char byte;
    assert_true(!secret || read(fd, &byte, 1) < 0);
    close(fd);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void relay_moves_all_and_ends(void **state)
{
    (void)state;
    struct error err;
    struct loop *loop = loop_create(&err);
    int in[2];
    int out[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t writer = fork();
    if (writer == 0) { /* a mebibyte through a 64 KiB pipe */
        static char bytes[1024];
        close(out[0]);
        close(out[1]);
        close(in[1]);
        memset(bytes, 'x', sizeof(bytes));
        for (int i = 0; i < 1024; i++) {
            CHECK(write(in[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
        }
        _exit(0);
    }
    close(in[0]);
    pid_t reader = fork();
    if (reader == 0) {
        static char bytes[4096];
        size_t total = 0;
        close(out[1]);
        close(in[1]);
        for (ssize_t n; (n = read(out[0], bytes, sizeof(bytes))) > 0;) {
            total += (size_t)n;
        }
        _exit(total == 1024 * 1024 ? 0 : 1);
    }
    close(out[0]);
    struct isolate_relay *relay;
    assert_int_equal(isolate_relay_start(loop, in[1], out[1], stop, loop, &relay, &err), 0);
    loop_run(loop);
    isolate_relay_cancel(relay);
    assert_int_equal(fcntl(in[1], F_GETFL) & O_NONBLOCK, 0); /* given back */
    close(in[1]);
    close(out[1]);
    int status;
    waitpid(writer, &status, 0);
    waitpid(reader, &status, 0);
    assert_int_equal(status, 0);
    loop_destroy(loop);
}

static void terminal_is_relayed_and_restored(void **state)
{
    (void)state;
    struct error err;
    struct isolate_pty user; /* stands for the user's terminal */
    struct isolate_pty ours;
    struct termios before;
    struct termios during;
    struct termios after;
    struct winsize size = {.ws_row = 33, .ws_col = 99};
    struct loop *loop = loop_create(&err);
    assert_int_equal(isolate_pty_open(-1, &user, &err), 0);
    assert_int_equal(ioctl(user.outer, TIOCSWINSZ, &size), 0);
    assert_int_equal(isolate_pty_open(user.inner, &ours, &err), 0);
    memset(&size, 0, sizeof(size));
    assert_int_equal(ioctl(ours.inner, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 99);
    assert_int_equal(tcgetattr(user.inner, &before), 0);

    pid_t child = fork();
    if (child == 0) { /* the sandbox: answers one line, then closes */
        char line[16] = {0};
        close(ours.outer);
        CHECK(read(ours.inner, line, sizeof(line)) == 6 && strcmp(line, "hello\n") == 0);
        CHECK(write(ours.inner, "answer", 6) == 6);
        _exit(0);
    }
    close(ours.inner);
    struct isolate_pty_relay *relay;
    const struct isolate_pty_relay_options options = {.outer = ours.outer,
                                                      .user_in = user.inner,
                                                      .user_out = user.inner,
                                                      .done = stop,
                                                      .arg = loop};
    assert_int_equal(isolate_pty_relay_start(loop, &options, &relay, &err), 0);
    assert_int_equal(tcgetattr(user.inner, &during), 0);
    assert_int_equal(during.c_lflag & ICANON, 0);
    assert_int_equal(write(user.outer, "hello\r", 6), 6);
    loop_run(loop);
    isolate_pty_relay_stop(relay);
    assert_int_equal(tcgetattr(user.inner, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    char text[256] = {0};
    for (size_t len = 0; strstr(text, "answer") == NULL;) { /* a terminal hands on in pieces */
        struct pollfd p = {.fd = user.outer, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 5000), 1);
        ssize_t n = read(user.outer, text + len, sizeof(text) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(user.outer);
    close(user.inner);
    close(ours.outer);
    loop_destroy(loop);
}

static char guard_said[512];

static void on_guard(void *arg, const char *why)
{
    snprintf(guard_said, sizeof(guard_said), "%s", why);
    loop_stop(arg);
}

static void guard_removes_what_appears(void **state)
{
    (void)state;
    struct error err;
    struct isolate_guard *guard;
    struct loop *loop = loop_create(&err);
    char root[] = "/tmp/guard-XXXXXX";
    assert_non_null(mkdtemp(root));
    const char *const roots[] = {root};
    assert_int_equal(isolate_guard_start(loop, roots, 1, on_guard, loop, &guard, &err), 0);
    assert_null(guard); /* no repository */
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(dir, ".git", 0755), 0);
    assert_int_equal(mkdirat(dir, ".git/modules", 0755), 0);
    assert_int_equal(mkdirat(dir, ".git/modules/sub", 0755), 0);
    assert_int_equal(isolate_guard_start(loop, roots, 1, on_guard, loop, &guard, &err), 0);
    assert_non_null(guard);

    static const char *const names[] = {".git/commondir", ".git/modules/sub/commondir"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(symlinkat("elsewhere", dir, ".git/other"), 0); /* not what it looks for */
        assert_int_equal(renameat(dir, ".git/other", dir, names[i]), 0);
        loop_run(loop);
        assert_non_null(strstr(guard_said, names[i]));
        assert_int_equal(faccessat(dir, names[i], F_OK, AT_SYMLINK_NOFOLLOW), -1);
    }
    close(openat(dir, names[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    isolate_guard_stop(guard); /* looks once more */
    assert_int_equal(faccessat(dir, names[0], F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(unlinkat(dir, ".git/modules/sub", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, ".git/modules", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, ".git", AT_REMOVEDIR), 0);
    close(dir);
    assert_int_equal(rmdir(root), 0);
    loop_destroy(loop);
}

static void start_report_is_read_in_pieces(void **state)
{
    (void)state;
    static const char text[] =
        "{\n    \"child-pid\": 4711,\n    \"mnt-namespace\": 5\n}\n" ISOLATE_START_REPORT_OK;
    struct isolate_start_report r;
    isolate_start_report_init(&r);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        assert_false(r.started);
        isolate_start_report_feed(&r, span_of(text + i, 1));
    }
    assert_true(r.started);
    assert_int_equal(r.pid, 4711);

    char line[256];
    isolate_start_report_init(&r);
    isolate_start_report_feed(&r, SPAN_LIT("bwrap: Can't mount proc on /newroot/proc: No\n"));
    isolate_start_report_failure(&r, line, sizeof(line));
    assert_non_null(strstr(line, "systempaths=unconfined"));
    assert_null(strchr(line, '\n'));
}

static void probe_finds_what_tests_use(void **state)
{
    (void)state;
    struct isolate_check checks[ISOLATE_CHECKS_MAX];
    size_t count = isolate_probe(checks);
    assert_true(count >= 10);
    for (size_t i = 0; i < count; i++) {
        assert_true(checks[i].detail[0] != '\0');
        assert_int_equal(checks[i].result == ISOLATE_CHECK_OK, checks[i].remedy[0] == '\0');
        if (checks[i].result == ISOLATE_CHECK_MISSING) {
            print_error("%s: %s\n", checks[i].name, checks[i].detail);
        }
        assert_int_not_equal(checks[i].result, ISOLATE_CHECK_MISSING);
    }
}

static void empty_namespaces(void **state)
{
    (void)state;
    assert_int_equal(child_run(empty_namespaces_body), 0);
    assert_int_equal(child_run_ordinary(empty_namespaces_body), 0);
}

static void hidden(void **state)
{
    (void)state;
    assert_int_equal(child_run(hidden_body), 0);
    assert_int_equal(child_run_ordinary(hidden_body), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_namespaces),
        cmocka_unit_test(hidden),
        cmocka_unit_test(dies_with_parent),
        cmocka_unit_test(descriptors_are_told_apart),
        cmocka_unit_test(secret_memory_keeps_its_bytes),
        cmocka_unit_test(relay_moves_all_and_ends),
        cmocka_unit_test(terminal_is_relayed_and_restored),
        cmocka_unit_test(guard_removes_what_appears),
        cmocka_unit_test(start_report_is_read_in_pieces),
        cmocka_unit_test(probe_finds_what_tests_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
