/*
 * shell: what one command of a session leaves to the next.
 *
 * A shell's variables are nobody's but its own. So each shell has an EXIT trap that runs this
 * program as `agent snapshot PID`: it has the shell's exported variables and its functions as its
 * environment and the shell's directory as its own, says so by a signal, and lives until both were
 * read from /proc. The shell then ends as it would have: with its own status, or of its signal.
 *
 * A trap of the user's for EXIT runs too, after ours. What `exec` replaces leaves nothing.
 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TELL_SECONDS 5 /* how long a shell's end waits for an agent that has other work */

/* $1 is the user's text. __sallyport_end keeps $?; the `if` keeps `set -e` from ending the trap.
 * Functions go with the environment, exported: to list them costs a fork, so only a text that may
 * have defined one pays for it. */
static const char bash_script[] =
    "__sallyport_text=$1; __sallyport_end() { local s=$? f IFS=$'\\n'; case $__sallyport_text in "
    "*'()'*|*function*|*source*|*'. '*) for f in $(compgen -A function); do case $f in "
    "trap|__sallyport_end) ;; *) export -f \"$f\";; esac; done;; esac; "
    "'%s' snapshot %d 2>/dev/null; return $s; }; "
    "trap __sallyport_end EXIT; "
    "trap() { builtin trap \"$@\"; local s=$? c; if [ \"$BASHPID\" = $$ ]; then "
    "eval \"set -- $(builtin trap -p EXIT)\"; c=${3-}; case $c in *__sallyport_end*) ;; "
    "*) __sallyport_exit=$c; builtin trap 'if __sallyport_end; then eval \"$__sallyport_exit\"; "
    "else eval \"$__sallyport_exit\"; fi' EXIT;; esac; fi; return $s; }; "
    "eval \"$1\"";
static const char sh_script[] = "trap \"'%s' snapshot %d\" EXIT; eval \"$1\"";

bool shell_words(struct agent *a, const char *text, bool leaves, struct words *out)
{
    const bool bash = access("/bin/bash", X_OK) == 0;
    const char *program = bash ? "/bin/bash" : "/bin/sh";
    char script[PATH_MAX + sizeof bash_script + 32];
    char program_copy[16];
    char c[] = "-c";
    char name[] = "bash";
    snprintf(program_copy, sizeof program_copy, "%s", program);
    if (!leaves) {
        char *const plain[] = {program_copy, c, (char *)(uintptr_t)text, NULL};
        return words_copy(out, plain);
    }
    /* Checked by the compiler against both literals. */
    const int n = bash ? snprintf(script, sizeof script, bash_script, a->self, getpid())
                       : snprintf(script, sizeof script, sh_script, a->self, getpid());
    char *const argv[] = {
        program_copy, c, script, bash ? name : program_copy, (char *)(uintptr_t)text, NULL};
    return n > 0 && (size_t)n < sizeof script && words_copy(out, argv);
}

int shell_tell(pid_t agent)
{
    const struct timespec limit = {.tv_sec = TELL_SECONDS};
    sigset_t answer;
    sigemptyset(&answer);
    sigaddset(&answer, SHELL_SIGNAL);
    sigprocmask(SIG_BLOCK, &answer, NULL);
    if (agent > 0 && kill(agent, SHELL_SIGNAL) == 0) {
        while (sigtimedwait(&answer, NULL, &limit) < 0 && errno == EINTR) {
        }
    }
    return 0;
}

static pid_t parent_of(pid_t pid)
{
    char path[40];
    char text[256];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    const char *behind_name = strrchr(text, ')');
    return behind_name != NULL && sscanf(behind_name + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool read_environment(pid_t pid, struct words *out)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    char *bytes = malloc(WORDS_BYTES_MAX + 1);
    const int fd = bytes != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    size_t len = 0;
    for (ssize_t n; fd >= 0 && len <= WORDS_BYTES_MAX &&
                    (n = read(fd, bytes + len, WORDS_BYTES_MAX + 1 - len)) > 0;) {
        len += (size_t)n;
    }
    if (fd >= 0) {
        close(fd);
    }
    const bool ok = fd >= 0 && len > 0 && words_split(out, span_of(bytes, len));
    free(bytes);
    return ok;
}

static char *read_place(pid_t pid)
{
    char path[40];
    char place[PATH_MAX];
    struct stat named;
    struct stat real;
    snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    const ssize_t n = readlink(path, place, sizeof place - 1);
    if (n <= 0) {
        return NULL;
    }
    place[n] = '\0';
    /* A folder that is gone has a name that leads nowhere, or elsewhere. */
    if (stat(path, &real) != 0 || stat(place, &named) != 0 || named.st_ino != real.st_ino ||
        named.st_dev != real.st_dev) {
        return NULL;
    }
    return strdup(place);
}

/* What the command was given for itself alone does not stay, unless it changed it. */
static bool take_back(const struct process *p, const struct session *s, struct words *env)
{
    static const char *const of_the_shell[] = {"_", "SHLVL"};
    bool ok = true;
    for (size_t i = 0; i < sizeof of_the_shell / sizeof *of_the_shell; i++) {
        ok = ok && words_lay(env, of_the_shell[i]);
    }
    for (size_t i = 0; ok && i < p->overlay.count; i++) {
        const char *said = words_items(&p->overlay)[i];
        const char *now = words_find(env, said);
        const bool sets = strchr(said, '=') != NULL;
        const bool unchanged = sets ? now != NULL && strcmp(now, said) == 0 : now == NULL;
        if (!unchanged) {
            continue;
        }
        const char *before = words_find(&s->env, said);
        char *name = strndup(said, strcspn(said, "="));
        ok = name != NULL && words_lay(env, before != NULL ? before : name);
        free(name);
    }
    return ok;
}

static void take(struct session *s, const struct process *p, pid_t teller)
{
    struct words env;
    if (read_environment(teller, &env)) {
        if (take_back(p, s, &env)) {
            struct words old = s->env;
            s->env = env;
            env = old;
        }
        words_free(&env);
    }
    char *place = p->own_cwd ? NULL : read_place(teller);
    if (place != NULL) {
        free(s->cwd);
        s->cwd = place;
    }
}

void shell_left(struct agent *a, pid_t teller)
{
    const struct process *p = process_by_pid(a, parent_of(teller));
    if (p == NULL || p->session == NULL) {
        return;
    }
    struct session *s = session_find(a, span_str(p->session));
    if (s != NULL) {
        take(s, p, teller);
    }
    kill(teller, SHELL_SIGNAL);
}
