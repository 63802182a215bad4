/*
 * sallyport-runtime: the outer door. It alone holds secrets and dials.
 *
 * Rights: at first those of the user; after the load of the module (RUNTIME_START) no file, no new
 * executable memory, no exec, no listening socket: its channel to the supervisor (descriptor 3),
 * the gates that come over it, and connections it opens itself. See confine.c.
 */
#include "base/log.h"
#include "runtime/confine.h"
#include "runtime/runtime.h"

int main(void)
{
    struct error err;
    log_open("sallyport-runtime", NULL);
    if (confine_early(&err) != 0) {
        log_error("%s", err.text);
        return 1;
    }
    struct loop *loop = loop_create(&err);
    struct runtime *rt = loop != NULL ? runtime_create(loop, IPC_CHILD_FD, &err) : NULL;
    if (rt == NULL) {
        log_error("%s", err.text);
        return 1;
    }
    loop_run(loop);
    runtime_destroy(rt);
    loop_destroy(loop);
    return 0;
}
