#include "cli/start.h"
#include "base/cleanup.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;

int start_find_program(const char *name, char **out, struct error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        cleanup_free char *dir = paths_clean(self, "..");
        *out = dir != NULL ? paths_clean(dir, name) : NULL;
        if (*out != NULL && access(*out, X_OK) == 0) {
            return 0;
        }
        free(*out);
    }
    *out = paths_clean(SALLYPORT_LIBEXEC, name);
    if (*out != NULL && access(*out, X_OK) == 0) {
        return 0;
    }
    free(*out);
    *out = NULL;
    return error_set(err, 0, "%s: not found beside sallyport nor in %s: install sallyport again",
                     name, SALLYPORT_LIBEXEC);
}

/* Only what a supervisor and its children read: a secret of the caller's environment ends here. */
static bool may_keep(const char *var)
{
    static const char *const keep[] = {"PATH=", "HOME=", "USER=",   "LANG=", "LC_",
                                       "TERM=", "XDG_",  "TMPDIR=", "TZ=",   "SALLYPORT_"};
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        if (strncmp(var, keep[i], strlen(keep[i])) == 0) {
            return true;
        }
    }
    return false;
}

static char **scrubbed_env(void)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **env = calloc(count + 1, sizeof *env);
    size_t kept = 0;
    for (size_t i = 0; env != NULL && i < count; i++) {
        if (may_keep(environ[i])) {
            env[kept++] = environ[i];
        }
    }
    return env;
}

static int let_through(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 ? -errno : fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
}

struct start {
    char *program;
    char **env;
    int spec_fd;
    char argument[32];
};

static int prepare(struct spec *s, struct start *st, struct error *err)
{
    *st = (struct start){.spec_fd = -1};
    int rc = start_find_program("sallyport-supervisor", &st->program, err);
    if (rc < 0) {
        return rc;
    }
    st->spec_fd = spec_write(s, err);
    if (st->spec_fd < 0) {
        return st->spec_fd;
    }
    st->env = scrubbed_env();
    if (st->env == NULL || let_through(s->bundle_fd) < 0 || let_through(s->map_fd) < 0) {
        return error_set(err, errno, "start %s", st->program);
    }
    snprintf(st->argument, sizeof st->argument, "--spec=%d", st->spec_fd);
    return 0;
}

static void become(struct start *st)
{
    char name[] = "sallyport-supervisor";
    char *argv[] = {name, st->argument, NULL};
    execve(st->program, argv, st->env);
}

static void release(struct start *st)
{
    close_fd(&st->spec_fd);
    free(st->env);
    free(st->program);
}

int start_become_supervisor(struct spec *s, struct error *err)
{
    struct start st;
    int rc = prepare(s, &st, err);
    if (rc == 0) {
        become(&st);
        rc = error_set(err, errno, "start %s", st.program);
    }
    release(&st);
    return rc;
}

int start_run_supervisor(struct spec *s, int *out, pid_t *pid, struct error *err)
{
    struct start st;
    int ends[2] = {-1, -1};
    int rc = prepare(s, &st, err);
    if (rc == 0 && pipe2(ends, O_CLOEXEC) < 0) {
        rc = error_set(err, errno, "start: pipe");
    }
    *pid = rc < 0 ? -1 : fork();
    if (rc == 0 && *pid < 0) {
        rc = error_set(err, errno, "start: fork");
    }
    if (rc == 0 && *pid == 0) {
        dup2(ends[1], 1);
        become(&st);
        _exit(EXIT_FAILURE);
    }
    close_fd(&ends[1]);
    *out = rc == 0 ? steal_fd(&ends[0]) : -1;
    close_fd(&ends[0]);
    release(&st);
    return rc;
}

int start_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return 125;
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int start_from_options(const struct run_options *o, int argc, char **argv)
{
    struct error err;
    struct spec s;
    struct spec_strings notes = {NULL, 0};
    int rc = run_options_spec(o, &s, &notes, &err);
    for (size_t i = 0; rc == 0 && i < notes.count; i++) {
        print_note(notes.items[i]);
    }
    spec_strings_free(&notes);
    if (rc < 0) {
        return fail(&err);
    }
    s.mode = o->daemon ? SPEC_UP : SPEC_RUN;
    for (int i = 0; rc == 0 && i < argc; i++) {
        rc = spec_strings_add(&s.argv, argv[i]) ? 0 : error_set(&err, 0, "run: out of memory");
    }
    if (rc == 0) {
        start_become_supervisor(&s, &err);
    }
    spec_free(&s);
    return fail(&err);
}
