#include "agent/child.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPEN_FILES_MAX 4096u /* all that agent.h and background.h allow, and some more */
#define NO_INTERPRETER 10000 /* the file is there, what it names to run it is not */

static struct rlimit open_files; /* as this process was started with */

bool child_open_files_raise(void)
{
    if (getrlimit(RLIMIT_NOFILE, &open_files) != 0) {
        return false;
    }
    struct rlimit more = open_files;
    more.rlim_cur = more.rlim_max < OPEN_FILES_MAX ? more.rlim_max : OPEN_FILES_MAX;
    return more.rlim_cur <= open_files.rlim_cur || setrlimit(RLIMIT_NOFILE, &more) == 0;
}

static bool absent(int code)
{
    return code == ENOENT || code == ENOTDIR;
}

/* By the system call: the C library keeps two signals for itself, and an ignored one would stay
 * ignored. All zero is the kernel's default action. */
static void signals_reset(void)
{
    const uint64_t plain[4] = {0};
    for (int signum = 1; signum < NSIG; signum++) {
        (void)syscall(SYS_rt_sigaction, signum, plain, NULL, sizeof(uint64_t));
    }
}

/* What each process does first, before its exec or its work. 0, or an errno value with *what.
 * Async-signal-safe. */
static int settle(const struct child *c, pid_t parent, const char **what)
{
    *what = "start a session";
    /* Where the parent is process 1 the kernel sees to it; elsewhere nothing may outlive it either,
     * also when it ended before this was said. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setsid() < 0) {
        return errno;
    }
    if (getppid() != parent) {
        _exit(CHILD_FAILED);
    }
    *what = "hand over descriptors";
    for (int i = 0; i < 3; i++) {
        if (dup2(c->fds[i], i) < 0) {
            return errno;
        }
    }
    *what = "limit open files";
    if (setrlimit(RLIMIT_NOFILE, &open_files) != 0) {
        return errno;
    }
    *what = "take the terminal";
    if (c->terminal) {
        const int at = isatty(0) ? 0 : isatty(1) ? 1 : 2;
        if (ioctl(at, TIOCSCTTY, 0) != 0) {
            return errno;
        }
    }
    signals_reset();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    *what = c->cwd;
    return chdir(c->cwd) == 0 ? 0 : errno;
}

/* Returns why not, an errno value. A text without #! is a shell's, as POSIX says of execvp. */
static int try_path(const char *path, char **argv, char **env)
{
    execve(path, argv, env);
    if (errno == ENOEXEC) {
        static char shell[] = "/bin/sh";
        char *name = argv[0];
        argv[-1] = shell;
        argv[0] = (char *)(uintptr_t)path;
        execve(shell, argv - 1, env);
        argv[0] = name;
        errno = ENOEXEC;
    }
    const int code = errno;
    return code == ENOENT && access(path, F_OK) == 0 ? NO_INTERPRETER : code;
}

/* Goes through PATH; a file that cannot be run does not hide a later one that can. */
static int try_all(char **argv, char **env, const char *path)
{
    const char *name = argv[0];
    if (name[0] == '\0') {
        return ENOENT;
    }
    if (strchr(name, '/') != NULL) {
        return try_path(name, argv, env);
    }
    int code = ENOENT;
    char full[PATH_MAX];
    const size_t name_len = strlen(name);
    for (const char *at = path != NULL ? path : "/usr/bin:/bin"; *at != '\0';) {
        const size_t len = strcspn(at, ":");
        const size_t dir = len > 0 ? len : 1;
        if (dir + 1 + name_len < sizeof full) {
            memcpy(full, len > 0 ? at : ".", dir);
            full[dir] = '/';
            memcpy(full + dir + 1, name, name_len + 1);
            const int why = try_path(full, argv, env);
            code = absent(why) ? code : why;
        }
        at += len + (at[len] == ':');
    }
    return code;
}

/* The parent's memory is the child's until the exec, and the parent waits: the child writes here
 * what stood against it. */
struct attempt {
    struct child *child;
    const char *path;
    volatile int code;
    const char *volatile what; /* NULL: the exec */
};

static __attribute__((noinline)) pid_t attempt_start(struct attempt *a)
{
    const pid_t parent = getpid();
    pid_t pid = vfork();
    if (pid == 0) {
        const char *what;
        a->code = settle(a->child, parent, &what);
        a->what = what;
        if (a->code == 0) {
            a->what = NULL;
            a->code = try_all(words_items(&a->child->argv), words_items(&a->child->env), a->path);
        }
        _exit(CHILD_FAILED);
    }
    return pid;
}

static int explain(const struct attempt *a, char *why, size_t size)
{
    const char *name = words_items(&a->child->argv)[0];
    const char *shown = name[0] != '\0' ? name : "\"\"";
    if (a->what != NULL) {
        snprintf(why, size, "%.256s: %s", a->what, strerror(a->code));
        return CHILD_FAILED;
    }
    if (absent(a->code)) {
        snprintf(why, size, "%.256s: not found: a sandbox has /usr, /opt and what --bind shows",
                 shown);
        return CHILD_NOT_FOUND;
    }
    snprintf(why, size, "%.256s: found but not executable: %s", shown,
             a->code == NO_INTERPRETER ? "its interpreter is not there" : strerror(a->code));
    return CHILD_NOT_EXECUTABLE;
}

pid_t child_start(struct child *c, int *status, char *why, size_t why_size)
{
    struct attempt a = {.child = c, .path = words_value(&c->env, "PATH")};
    const pid_t pid = attempt_start(&a);
    if (pid < 0) {
        snprintf(why, why_size, "start a process: %s", strerror(errno));
        *status = CHILD_FAILED;
        return 0;
    }
    if (a.code == 0) {
        return pid;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    *status = explain(&a, why, why_size);
    return 0;
}

pid_t child_fork(struct child *c, int (*work)(char **argv))
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    const char *what;
    const int code = settle(c, parent, &what);
    if (code != 0) {
        dprintf(STDERR_FILENO, "%s: %s: where the call is made\n", strerrorname_np(code), what);
        _exit(1);
    }
    close_range(3, ~0u, 0);
    _exit(work(words_items(&c->argv)));
}
