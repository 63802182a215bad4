/*
 * exec_request: the body of an exec call (docs/control-api.md, Exec).
 */
#ifndef SALLYPORT_SUPERVISOR_EXEC_REQUEST_H
#define SALLYPORT_SUPERVISOR_EXEC_REQUEST_H

#include "supervisor/exec.h"

struct exec_request {
    struct exec_spec spec; /* points into the rest */
    struct buf argv;
    struct buf env;
    struct buf cwd;
    struct buf session;
    struct buf input; /* what the process reads, without an upgrade */
    char timeout[24];
};

int exec_request_parse(struct span json, struct exec_request *out, struct error *err);
void exec_request_free(struct exec_request *r);

#endif
