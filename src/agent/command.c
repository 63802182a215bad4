#include "agent/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STATUS_FAILED         125
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND      127

/* A text without #! is a shell's, as POSIX says of execvp. */
static void become_script(const char *path, char **argv)
{
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    char **shell = calloc(count + 2, sizeof(*shell));
    if (shell == NULL) {
        return;
    }
    shell[0] = strdup("/bin/sh");
    shell[1] = strdup(path);
    memcpy(shell + 2, argv + 1, (count > 0 ? count - 1 : 0) * sizeof(*shell));
    execv(shell[0], shell);
}

/* Returns why not, an errno value; ENOEXEC_INTERPRETER when the file is there but what it names to
 * run it is not. */
#define ENOEXEC_INTERPRETER 10000
static int try_path(const char *path, char **argv)
{
    execv(path, argv);
    if (errno == ENOEXEC) {
        become_script(path, argv);
        errno = ENOEXEC;
    }
    int code = errno;
    if (code == ENOENT && access(path, F_OK) == 0) {
        return ENOEXEC_INTERPRETER;
    }
    return code;
}

static bool absent(int code)
{
    return code == ENOENT || code == ENOTDIR;
}

/* Goes through PATH; a file that cannot be run does not hide a later one that can. */
static int try_all(char **argv)
{
    const char *name = argv[0];
    if (name[0] == '\0') {
        return ENOENT;
    }
    if (strchr(name, '/') != NULL) {
        return try_path(name, argv);
    }
    const char *path = getenv("PATH");
    int code = ENOENT;
    char full[PATH_MAX];
    for (const char *at = path != NULL ? path : "/usr/bin:/bin"; *at != '\0';) {
        size_t len = strcspn(at, ":");
        int n = snprintf(full, sizeof(full), "%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? at : ".",
                         name);
        if (n > 0 && (size_t)n < sizeof(full)) {
            int why = try_path(full, argv);
            code = absent(why) ? code : why;
        }
        at += len + (at[len] == ':');
    }
    return code;
}

int agent_command_become(char **argv, bool tty, const sigset_t *blocked)
{
    const int terminal = isatty(STDIN_FILENO)    ? STDIN_FILENO
                         : isatty(STDOUT_FILENO) ? STDOUT_FILENO
                                                 : STDERR_FILENO;
    if (setsid() < 0 || (tty && ioctl(terminal, TIOCSCTTY, 0) != 0)) {
        fprintf(stderr, "sallyport: start a session: %s\n", strerror(errno));
        return STATUS_FAILED;
    }
    sigprocmask(SIG_UNBLOCK, blocked, NULL);
    int code = try_all(argv);
    if (absent(code)) {
        fprintf(stderr,
                "sallyport: %s: not found: a sandbox has /usr, /opt and what --bind shows\n",
                argv[0][0] != '\0' ? argv[0] : "\"\"");
        return STATUS_NOT_FOUND;
    }
    fprintf(stderr, "sallyport: %s: found but not executable: %s\n", argv[0],
            code == ENOEXEC_INTERPRETER ? "its interpreter is not there" : strerror(code));
    return STATUS_NOT_EXECUTABLE;
}
