/* A runtime with the engine, confined as it serves: what any thread of it may still open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "runtime/confine.h"
#include "runtime/runtime.h"
#include "runtime/version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 64
#define WAIT_MS     5000

static char folder[] = "/tmp/sallyport-unit-XXXXXX";
static char outside[128];
static char inside[128];
static pid_t threads[THREADS_MAX];
static size_t thread_count;
static volatile sig_atomic_t tried;
static volatile sig_atomic_t opened;

static void try_to_open(int signum)
{
    (void)signum;
    int saved = errno;
    int fd = open(outside, O_RDONLY);
    opened += fd >= 0;
    tried++;
    errno = saved;
}

static void *thread(void *arg)
{
    try_to_open(0);
    return arg;
}

static void threads_list(void)
{
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL && thread_count < THREADS_MAX;) {
        if (e->d_name[0] != '.') {
            threads[thread_count++] = atoi(e->d_name);
        }
    }
    closedir(d);
}

static void make_files(void)
{
    if (mkdtemp(folder) == NULL) {
        _exit(99);
    }
    snprintf(outside, sizeof outside, "%s/outside", folder);
    snprintf(inside, sizeof inside, "%s/objects", folder);
    if (close(open(outside, O_CREAT | O_WRONLY, 0600)) < 0 || mkdir(inside, 0700) < 0) {
        _exit(99);
    }
}

static struct runtime *start(void)
{
    struct error err;
    char app[512];
    struct loop *loop = loop_create(&err);
    struct runtime *rt = runtime_create(loop, -1, &err);
    snprintf(app, sizeof app, "{\"name\":\"t\",\"module\":true,\"objects_dir\":\"%s\"}", inside);
    struct version_code code = {SPAN_LIT("exports.default = { fetch() {} };"), SPAN_LIT("")};
    if (runtime_start(rt, span_str(app), &code, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_null(rt->storage_refused);
    threads_list();
    if (confine(rt, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return rt;
}

static void no_thread_opens_a_file_but_of_objects(void **state)
{
    (void)state;
    char file[160];
    signal(SIGUSR1, try_to_open);
    try_to_open(0);
    assert_int_equal(opened, 1); /* before, it may: the test can fail */
    assert_non_null(start());

    assert_int_equal(open(outside, O_RDONLY), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(open("/etc/passwd", O_RDONLY), -1);
    assert_int_equal(unlink(outside), -1);
    snprintf(file, sizeof file, "%s/new", inside);
    assert_true(open(file, O_CREAT | O_RDWR, 0600) >= 0);
    snprintf(file, sizeof file, "%s/../outside", inside);
    assert_int_equal(open(file, O_RDONLY), -1);
    assert_int_equal(syscall(SYS_execve, "/bin/true", NULL, NULL), -1);

    opened = tried = 0;
    pthread_t late;
    assert_int_equal(pthread_create(&late, NULL, thread, NULL), 0);
    pthread_join(late, NULL);
    /* The engine has threads of its own, begun before the filter. */
    assert_true(thread_count > 1);
    for (size_t i = 0; i < thread_count; i++) {
        int before = tried;
        assert_int_equal(syscall(SYS_tgkill, getpid(), threads[i], SIGUSR1), 0);
        for (int ms = 0; tried == before && ms < WAIT_MS; ms++) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        assert_int_equal(tried, before + 1);
    }
    assert_int_equal(opened, 0);
}

/* In a child: what is confined could not clear up behind itself. */
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_thread_opens_a_file_but_of_objects)};
    char file[160];
    int status = 0;
    make_files();
    pid_t child = fork();
    if (child == 0) {
        exit(cmocka_run_group_tests(tests, NULL, NULL));
    }
    waitpid(child, &status, 0);
    snprintf(file, sizeof file, "%s/new", inside);
    unlink(file);
    rmdir(inside);
    unlink(outside);
    rmdir(folder);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
