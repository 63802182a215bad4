#include "supervisor/child.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "isolate/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SALLYPORT_LIBEXECDIR
#define SALLYPORT_LIBEXECDIR "/usr/libexec/sallyport"
#endif

#define CHILD_ENV_MAX   24
#define CHILD_WORDS_MAX 8

struct child {
    pid_t pid;
    int pidfd;
    struct loop_watch *watch;
    child_ended_fn ended;
    void *arg;
};

/* What a child may know of the caller's environment: where things are and how to speak. */
static const char *const env_passed[] = {
    "PATH",         "TERM",           "HOME",          "LANG",         "LC_ALL",
    "TZ",           "USER",           "SALLYPORT_LOG", "TMPDIR",       "SSL_CERT_FILE",
    "SSL_CERT_DIR", "XDG_CACHE_HOME", "ASAN_OPTIONS",  "UBSAN_OPTIONS"};

char *child_program_path(const char *program)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *path = NULL;
    if (n > 0) {
        self[n] = 0;
        char *slash = strrchr(self, '/');
        if (slash != NULL && asprintf(&path, "%.*s/%s", (int)(slash - self), self, program) > 0 &&
            access(path, X_OK) == 0) {
            return path;
        }
        free(path);
        path = NULL;
    }
    if (asprintf(&path, "%s/%s", SALLYPORT_LIBEXECDIR, program) > 0 && access(path, X_OK) == 0) {
        return path;
    }
    free(path);
    return NULL;
}

/* What this process itself was started with; a sandbox must not find more. */
static struct rlimit open_files = {RLIM_INFINITY, 0};

void child_open_files_raise(void)
{
    if (getrlimit(RLIMIT_NOFILE, &open_files) < 0) {
        return;
    }
    struct rlimit most = {open_files.rlim_max, open_files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &most) < 0) {
        log_warn("limit of open files: stays at %llu", (unsigned long long)open_files.rlim_cur);
    }
}

static void env_make(const char *const *more, char *out[CHILD_ENV_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof env_passed / sizeof *env_passed && n < CHILD_ENV_MAX - 1; i++) {
        const char *value = getenv(env_passed[i]);
        if (value != NULL && asprintf(&out[n], "%s=%s", env_passed[i], value) > 0) {
            n++;
        }
    }
    for (; more != NULL && *more != NULL && n < CHILD_ENV_MAX - 1; more++) {
        out[n] = strdup(*more);
        n += out[n] != NULL ? 1 : 0;
    }
    out[n] = NULL;
}

static void argv_make(const struct child_spec *spec, char *out[CHILD_WORDS_MAX + 1])
{
    size_t n = 0;
    out[n++] = strdup(spec->program);
    if (spec->id != NULL) {
        out[n++] = strdup(spec->id);
    }
    for (const char *const *w = spec->words; w != NULL && *w != NULL && n < CHILD_WORDS_MAX; w++) {
        out[n++] = strdup(*w);
    }
    out[n] = NULL;
}

static void env_free(char *env[])
{
    for (size_t i = 0; env[i] != NULL; i++) {
        free(env[i]);
    }
}

struct exec_plan {
    const char *path;
    char *const *argv;
    char *const *env;
    int fds[4];                 /* all above 3 */
    const struct rlimit *files; /* NULL: as this process has it */
    pid_t parent;
};

/* Runs in the child of a vfork: memory is the parent's, so nothing here may allocate, return or
 * change what the parent reads. */
static _Noreturn void exec_child(const struct exec_plan *p)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != p->parent) {
        _exit(125);
    }
    /* The terminal's own signals are ours to pass on: a child in its foreground group would die of
     * the first interrupt. */
    setsid();
    for (int i = 0; i < 4; i++) {
        if (dup2(p->fds[i], i) < 0) {
            _exit(125);
        }
    }
    if (syscall(SYS_close_range, 4u, ~0u, 0u) < 0) {
        _exit(125);
    }
    if (p->files != NULL && setrlimit(RLIMIT_NOFILE, p->files) < 0) {
        _exit(125);
    }
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int s = 1; s < NSIG; s++) {
        sigaction(s, &dfl, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(p->path, p->argv, p->env);
    _exit(125);
}

/* Signals wait until the child has its own memory: a handler must not run in it before. */
static pid_t vfork_exec(const struct exec_plan *plan)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = vfork();
    if (pid == 0) {
        exec_child(plan);
    }
    int saved = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

static int reap(struct child *c)
{
    siginfo_t info = {0};
    /* By number: the loop has made the pidfd non-blocking, and a wait on it would not wait. Ours
     * alone to reap, so the number is still the child's. */
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 && errno == EINTR) {
    }
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static void child_close(struct child *c)
{
    loop_watch_cancel(c->watch);
    c->watch = NULL;
    close_fd(&c->pidfd);
}

static void pidfd_ready(void *arg, unsigned events)
{
    (void)events;
    struct child *c = arg;
    int status = reap(c);
    child_close(c);
    c->ended(c->arg, status);
}

/* Duplicates above 3, so that the dup2 of one cannot overwrite another. */
static int fds_lift(const int from[4], int to[4], struct error *err)
{
    for (int i = 0; i < 4; i++) {
        to[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 4);
        if (to[i] < 0) {
            int saved = errno;
            while (i-- > 0) {
                close_fd(&to[i]);
            }
            return error_set(err, saved, "start a program of ours");
        }
    }
    return 0;
}

static int child_watch(struct child *c, struct loop *loop, struct error *err)
{
    c->pidfd = pidfd_open(c->pid, 0);
    if (c->pidfd < 0) {
        int saved = errno;
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
        return error_set(err, saved, "watch a program of ours");
    }
    int rc = loop_watch_start(loop, c->pidfd, LOOP_READ, pidfd_ready, c, &c->watch, err);
    if (rc < 0) {
        kill(c->pid, SIGKILL);
        reap(c);
        close_fd(&c->pidfd);
    }
    return rc;
}

int child_spawn(struct loop *loop, const struct child_spec *spec, child_ended_fn ended, void *arg,
                struct child **out, struct error *err)
{
    cleanup_free char *path = child_program_path(spec->program);
    if (path == NULL) {
        return error_set(err, 0, "%s: not found beside sallyport-supervisor: install it again",
                         spec->program);
    }
    struct child *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return error_set(err, ENOMEM, "start %s", spec->program);
    }
    *c = (struct child){.pidfd = -1, .ended = ended, .arg = arg};
    char *env[CHILD_ENV_MAX];
    env_make(spec->env, env);
    char *argv[CHILD_WORDS_MAX + 1];
    argv_make(spec, argv);
    struct exec_plan plan = {.path = path,
                             .argv = argv,
                             .env = env,
                             .files =
                                 spec->few_files && open_files.rlim_max != 0 ? &open_files : NULL,
                             .parent = getpid()};
    int rc = fds_lift(spec->fds, plan.fds, err);
    if (rc == 0) {
        c->pid = vfork_exec(&plan);
        rc = c->pid < 0 ? error_set(err, errno, "start %s", spec->program)
                        : child_watch(c, loop, err);
        for (int i = 0; i < 4; i++) {
            close_fd(&plan.fds[i]);
        }
    }
    env_free(env);
    env_free(argv);
    if (rc < 0) {
        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

pid_t child_pid(const struct child *c)
{
    return c != NULL && c->pidfd >= 0 ? c->pid : 0;
}

void child_signal(struct child *c, int signum)
{
    if (c != NULL && c->pidfd >= 0) {
        pidfd_send_signal(c->pidfd, signum, NULL, 0);
    }
}

void child_destroy(struct child *c)
{
    if (c == NULL) {
        return;
    }
    if (c->pidfd >= 0) {
        pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
        reap(c);
        child_close(c);
    }
    free(c);
}
