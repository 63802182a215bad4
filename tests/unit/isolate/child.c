#include "child.h"

#include "isolate/userns.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(void (*fn)(void), int ordinary)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (ordinary && geteuid() == 0) {
            struct error err;
            CHECK_OK(isolate_userns_become(CHILD_ORDINARY, CHILD_ORDINARY, &err));
        }
        fn();
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int child_run(void (*fn)(void))
{
    return run(fn, 0);
}

int child_run_ordinary(void (*fn)(void))
{
    return run(fn, 1);
}
