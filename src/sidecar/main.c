/*
 * sallyport-sidecar ID: the inner door. Descriptor 3 is the supervisor's channel; all else comes
 * with its first message. Rights: see confine.c. It opens nothing and starts nothing.
 */
#include "sidecar/sidecar.h"

#include "base/log.h"
#include "ipc/conversations.h"

static int start(struct sidecar *s, int argc, char **argv, struct error *err)
{
    struct sidecar_fds fds = {-1, -1, -1, -1, -1, -1, -1};
    struct buf cert;
    buf_init(&cert, TLS_CA_DER_MAX);
    int rc = sidecar_prepare(s, argc, argv, err);
    rc = rc < 0 ? rc : sidecar_receive_start(s, &fds, &cert, err);
    rc = rc < 0 ? rc : sidecar_enter_namespaces(&fds, err);
    rc = rc < 0 ? rc : sidecar_make_ca(s, &fds, buf_span(&cert), err);
    rc = rc < 0 ? rc : sidecar_open(s, &fds, err);
    rc = rc < 0 ? rc : sidecar_confine(err);
    rc = rc < 0 ? rc : sidecar_ready(s, err);
    buf_free(&cert);
    return rc;
}

int main(int argc, char **argv)
{
    static struct sidecar s;
    struct error err = {0};
    if (start(&s, argc, argv, &err) < 0) {
        struct span why = span_str(err.text);
        log_error("%s", err.text);
        ipc_send_blocking(IPC_CHILD_FD, SIDECAR_FAILED, &why, 1, NULL, 0, NULL);
        return 1;
    }
    loop_run(s.loop);
    sidecar_close(&s);
    return 0;
}
