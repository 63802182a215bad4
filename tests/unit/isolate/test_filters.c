/* seccomp and Landlock: what is refused is refused, what is allowed works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "child.h"
#include "isolate/landlock.h"
#include "isolate/process.h"
#include "isolate/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

/* As bubblewrap does with the descriptor. */
static void load(bool id_mapped)
{
    struct error err;
    int fd;
    static struct sock_filter code[4096];
    CHECK_OK(isolate_seccomp_sandbox_fd(id_mapped, &fd, &err));
    ssize_t n = read(fd, code, sizeof(code));
    CHECK(n > 0 && (size_t)n < sizeof(code));
    struct sock_fprog prog = {.len = (unsigned short)((size_t)n / sizeof(code[0])), .filter = code};
    CHECK_OK(isolate_process_no_new_privs(&err));
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

#define REFUSED(call, code) CHECK((call) < 0 && errno == (code))

static void sandbox_body(void)
{
    load(false);
    REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
    REFUSED(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
    REFUSED(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0), EPERM);
    REFUSED(socket(0, SOCK_STREAM, 0), EPERM);
    REFUSED(syscall(SYS_socket, (1l << 32) | AF_VSOCK, SOCK_STREAM, 0), EPERM);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), EPERM);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EPERM);
    REFUSED(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), EPERM);
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0);
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) >= 0);
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    CHECK(socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
    REFUSED(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    REFUSED(syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0), ENOSYS);
    REFUSED(syscall(SYS_io_uring_register, 0, 0, NULL, 0), ENOSYS);
    REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM);
    REFUSED(syscall(SYS_add_key, "user", "x", "y", 1, 0), EPERM);
    REFUSED(syscall(SYS_request_key, "user", "x", NULL, 0), EPERM);
    REFUSED(syscall(SYS_bpf, 0, NULL, 0), EPERM);
    REFUSED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM);
    REFUSED(syscall(SYS_userfaultfd, 0), EPERM);
    REFUSED(syscall(SYS_open_by_handle_at, 0, NULL, 0), EPERM);
    REFUSED(syscall(SYS_umount2, "/", 2), EPERM);
    REFUSED(ioctl(0, TIOCSTI, "x"), EPERM);
    REFUSED(ioctl(0, TIOCLINUX, "x"), EPERM);
    REFUSED(syscall(SYS_ioctl, 0, 0x100000000ul | TIOCSTI, "x"), EPERM);
    REFUSED(syscall(SYS_getpid + 0x40000000), ENOSYS);
    int pair[2];
    REFUSED(socketpair(AF_INET, SOCK_STREAM, 0, pair), EPERM);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS);
    REFUSED(syscall(SYS_unshare, 0x00100000), EINVAL);
    REFUSED(syscall(SYS_unshare, 0x00120000), EINVAL);
    REFUSED(syscall(SYS_open_tree, -1, "x", 3), EINVAL);
    REFUSED(syscall(467 /* open_tree_attr */, -1, "x", 2, NULL, 0), EINVAL);
    REFUSED(syscall(SYS_fsmount, -1, 2, 0), EINVAL);
    CHECK(syscall(SYS_fsmount, -1, 1, 0) < 0 && errno != EINVAL);
    CHECK(unshare(CLONE_NEWUSER) == 0); /* chromium's sandbox needs it */
}

static void own_files_body(void)
{
    char dir[] = "/tmp/own-files-XXXXXX";
    CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0);
    load(false);
    REFUSED(open("f", O_WRONLY | O_CREAT, 04755), EPERM);
    CHECK(open("f", O_WRONLY | O_CREAT, 0755) >= 0);
    REFUSED(chmod("f", 04755), EPERM);
    CHECK(chmod(dir, 02755) == 0 && chmod("f", 02755) == 0);
    CHECK(unlink("f") == 0 && rmdir(dir) == 0);
}

static void set_id_body(void)
{
    char dir[] = "/tmp/set-id-XXXXXX";
    CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    CHECK(fd >= 0);
    load(true);
    REFUSED(chmod("f", 04755), EPERM);
    REFUSED(chmod("f", 02755), EPERM);
    REFUSED(fchmod(fd, 04755), EPERM);
    REFUSED(fchmodat(AT_FDCWD, "f", 06755, 0), EPERM);
    REFUSED(open("g", O_WRONLY | O_CREAT, 04755), EPERM);
    REFUSED(syscall(SYS_open, "g", O_WRONLY | O_CREAT, 04755), EPERM);
    REFUSED(creat("g", 02755), EPERM);
    REFUSED(open(".", O_WRONLY | O_TMPFILE, 04755), EPERM);
    REFUSED(mknod("g", S_IFREG | 04755, 0), EPERM);
    REFUSED(syscall(SYS_openat2, AT_FDCWD, "f", NULL, 0), ENOSYS);
    REFUSED(setxattr("f", "user.x", "y", 1, 0), EOPNOTSUPP);
    REFUSED(lsetxattr("f", "security.capability", "y", 1, 0), EOPNOTSUPP);
    REFUSED(fsetxattr(fd, "security.capability", "y", 1, 0), EOPNOTSUPP);
    REFUSED(syscall(463 /* setxattrat */, AT_FDCWD, "f", 0, "user.x", NULL, 0), EOPNOTSUPP);
    CHECK(chmod("f", 01755) == 0);
    CHECK(syscall(SYS_openat, AT_FDCWD, "f", O_RDONLY, 07777) >= 0); /* no file is made */
    CHECK(open("g", O_WRONLY | O_CREAT, 0755) >= 0);
    CHECK(unlink("f") == 0 && unlink("g") == 0 && rmdir(dir) == 0);
}

/* A sanitizer's runtime makes calls of its own in this process. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__)
#define RUNTIME_CALLS                                                                              \
    ISOLATE_ALLOW(sigaltstack), ISOLATE_ALLOW(munmap), ISOLATE_ALLOW(madvise),                     \
        ISOLATE_ALLOW(gettid), ISOLATE_ALLOW(rt_sigprocmask),                                      \
        ISOLATE_ALLOW_IF(mmap, 2, PROT_EXEC, 0),
#else
#define RUNTIME_CALLS
#endif

static const struct isolate_syscall few[] = {
    RUNTIME_CALLS ISOLATE_ALLOW(write),      ISOLATE_ALLOW(getpid),
    ISOLATE_ALLOW_IF(mmap, 2, PROT_EXEC, 0), ISOLATE_ALLOW_EQ(prctl, 0, PR_SET_NAME),
    ISOLATE_ALLOW_EQ(prctl, 0, PR_GET_NAME), ISOLATE_ANSWER(clone3, ENOSYS),
};

static void allow_body(void)
{
    struct error err;
    CHECK_OK(isolate_seccomp_allow(few, sizeof(few) / sizeof(few[0]), ISOLATE_SECCOMP_EPERM, &err));
    CHECK(syscall(SYS_getpid) > 0);
    REFUSED(syscall(SYS_getppid), EPERM);
    REFUSED(open("/etc/passwd", O_RDONLY), EPERM);
    REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS);
    char name[16] = "x";
    CHECK(prctl(PR_SET_NAME, name) == 0 && prctl(PR_GET_NAME, name) == 0);
    REFUSED(prctl(PR_SET_DUMPABLE, 1), EPERM);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
          MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED &&
          errno == EPERM);
}

static void kill_body(void)
{
    struct error err;
    CHECK_OK(isolate_seccomp_allow(few, sizeof(few) / sizeof(few[0]), ISOLATE_SECCOMP_KILL, &err));
    (void)syscall(SYS_getppid);
    _exit(0);
}

static void debug_body(void)
{
    struct error err;
    int out[2];
    char text[64] = {0};
    static const struct isolate_syscall list[] = {RUNTIME_CALLS ISOLATE_ALLOW(write),
                                                  ISOLATE_ALLOW(read)};
    CHECK(pipe(out) == 0 && dup2(out[1], STDERR_FILENO) >= 0);
    setenv("SALLYPORT_LOG", "debug", 1);
    CHECK_OK(
        isolate_seccomp_allow(list, sizeof(list) / sizeof(list[0]), ISOLATE_SECCOMP_EPERM, &err));
    REFUSED(syscall(SYS_getppid), EPERM); /* refused all the same */
    CHECK(read(out[0], text, sizeof(text) - 1) > 0);
    if (strstr(text, "seccomp: refused: ") == NULL) {
        _exit(1);
    }
}

static int thread_turn;   /* -1: it runs; 1: the filter holds */
static int thread_answer; /* 1: refused, 2: not */

static void *thread(void *arg)
{
    (void)arg;
    __atomic_store_n(&thread_turn, -1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&thread_turn, __ATOMIC_ACQUIRE) != 1) {
        sched_yield();
    }
    const bool refused = syscall(SYS_getppid) < 0 && errno == EPERM;
    __atomic_store_n(&thread_answer, refused ? 1 : 2, __ATOMIC_RELEASE);
    for (;;) { /* its end would need more calls */
        sched_yield();
    }
    return NULL;
}

static void every_thread_body(void)
{
    static const struct isolate_syscall list[] = {RUNTIME_CALLS ISOLATE_ALLOW(write),
                                                  ISOLATE_ALLOW(sched_yield)};
    struct error err;
    pthread_t id;
    int answer = 0;
    CHECK(pthread_create(&id, NULL, thread, NULL) == 0);
    while (__atomic_load_n(&thread_turn, __ATOMIC_ACQUIRE) != -1) {
        sched_yield(); /* its start needs calls that the list does not have */
    }
    CHECK_OK(
        isolate_seccomp_allow(list, sizeof(list) / sizeof(list[0]), ISOLATE_SECCOMP_EPERM, &err));
    __atomic_store_n(&thread_turn, 1, __ATOMIC_RELEASE);
    while ((answer = __atomic_load_n(&thread_answer, __ATOMIC_ACQUIRE)) == 0) {
        sched_yield();
    }
    CHECK(answer == 1);
}

static void landlock_body(void)
{
    struct error err;
    char dir[] = "/tmp/landlock-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    const struct isolate_landlock_path paths[] = {
        {dir, ISOLATE_LANDLOCK_READ | ISOLATE_LANDLOCK_WRITE},
        {"/etc/passwd", ISOLATE_LANDLOCK_READ},
        {"/does/not/exist", ISOLATE_LANDLOCK_READ},
    };
    int abi = isolate_landlock_restrict(paths, 3, ISOLATE_LANDLOCK_NO_TCP | ISOLATE_LANDLOCK_SCOPED,
                                        &err);
    CHECK_OK(abi);
    CHECK(abi == isolate_landlock_abi());
    if (abi == 0) {
        return;
    }
    CHECK(chdir(dir) == 0);
    CHECK(open("f", O_WRONLY | O_CREAT, 0600) >= 0 && unlink("f") == 0);
    CHECK(open("/etc/passwd", O_RDONLY) >= 0);
    REFUSED(open("/etc/group", O_RDONLY), EACCES);
    REFUSED(open("/usr", O_RDONLY | O_DIRECTORY), EACCES);
    if (abi >= 4) {
        struct sockaddr addr = {.sa_family = AF_INET};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        REFUSED(bind(fd, &addr, sizeof(addr)), EACCES);
    }
    if (abi >= 6) {
        REFUSED(kill(getppid(), 0), EPERM);
    }
    CHECK(chdir("/") == 0 && rmdir(dir) != 0); /* its parent is not granted */
}

#define TEST(name, as, want)                                                                       \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(as, want);                                                                \
    }
TEST(sandbox_refuses, child_run(sandbox_body), 0)
TEST(sandbox_refuses_ordinary, child_run_ordinary(sandbox_body), 0)
TEST(set_id_is_refused, child_run_ordinary(set_id_body), 0)
TEST(own_files_get_no_set_user_id, child_run_ordinary(own_files_body), 0)
TEST(allow_list_holds, child_run(allow_body), 0)
TEST(allow_list_holds_ordinary, child_run_ordinary(allow_body), 0)
TEST(allow_list_kills, child_run(kill_body), 128 + SIGSYS)
TEST(allow_list_names_what_it_refuses, child_run(debug_body), 0)
TEST(allow_list_holds_on_every_thread, child_run(every_thread_body), 0)
TEST(landlock_holds, child_run_ordinary(landlock_body), 0)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandbox_refuses),
        cmocka_unit_test(sandbox_refuses_ordinary),
        cmocka_unit_test(set_id_is_refused),
        cmocka_unit_test(own_files_get_no_set_user_id),
        cmocka_unit_test(allow_list_holds),
        cmocka_unit_test(allow_list_holds_ordinary),
        cmocka_unit_test(allow_list_kills),
        cmocka_unit_test(allow_list_names_what_it_refuses),
        cmocka_unit_test(allow_list_holds_on_every_thread),
        cmocka_unit_test(landlock_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
