#include "supervisor/agent_link.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static bool has_flag(struct span flags, char flag)
{
    return flags.len > 0 && memchr(flags.ptr, flag, flags.len) != NULL;
}

static int pipe_open(struct agent_pipes *p, int stream, bool is_socket, struct error *err)
{
    int ends[2];
    int rc = is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                       : pipe2(ends, O_CLOEXEC);
    if (rc < 0) {
        return error_set(err, errno, "make a pipe for a process");
    }
    const int outer = stream == 0 ? 1 : 0;
    p->inner[p->count++] = ends[1 - outer];
    p->outer[stream] = ends[outer];
    if (fcntl(ends[outer], F_SETFL, O_NONBLOCK) < 0) {
        return error_set(err, errno, "make a pipe for a process");
    }
    return 0;
}

int agent_pipes_open(struct agent_pipes *p, struct span flags, struct error *err)
{
    *p = (struct agent_pipes){.inner = {-1, -1, -1}, .outer = {-1, -1, -1}};
    if (has_flag(flags, 'b')) {
        return 0;
    }
    for (int stream = has_flag(flags, 'i') ? 0 : 1; stream < 3; stream++) {
        int rc = pipe_open(p, stream, stream == 0 && has_flag(flags, 'f'), err);
        if (rc < 0) {
            agent_pipes_close(p);
            return rc;
        }
    }
    return 0;
}

void agent_pipes_handed(struct agent_pipes *p)
{
    for (int i = 0; i < 3; i++) {
        close_fd(&p->inner[i]);
    }
    p->count = 0;
}

void agent_pipes_close(struct agent_pipes *p)
{
    agent_pipes_handed(p);
    for (int i = 0; i < 3; i++) {
        close_fd(&p->outer[i]);
    }
}
