/*
 * sallyport-launcher: builds one sandbox, hands its sockets to the supervisor, becomes bubblewrap.
 *
 * Rights: those of who started it, until it stands in namespaces of its own. As root it clones and
 * id-maps the binds first, then becomes an unprivileged uid for good and goes on as an ordinary
 * user would. It parses only what its supervisor wrote.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/conversations.h"
#include "isolate/fds.h"
#include "isolate/keyring.h"
#include "isolate/listen.h"
#include "isolate/mounts.h"
#include "isolate/netns.h"
#include "isolate/nft.h"
#include "isolate/process.h"
#include "isolate/userns.h"
#include "launcher/bubblewrap.h"
#include "launcher/spec.h"
#include "launcher/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define STATUS_FAILED 125

struct launch {
    struct spec spec;
    struct user user;
    struct view view;
    struct bubblewrap bubblewrap;
    int agent;     /* the agent's end of its socket */
    int report[2]; /* the start report: ours to write, the supervisor's to read */
};

static int receive(uint16_t type, struct ipc_message *msg, struct buf *body, struct error *err)
{
    int rc = ipc_receive_blocking(IPC_CHILD_FD, ipc_launcher_hears, msg, body, err);
    return rc >= 0 && msg->type != type
               ? error_set(err, EPROTO, "launcher: the supervisor sent messages out of order")
               : rc;
}

static int take_spec(struct launch *l, struct error *err)
{
    struct ipc_message msg;
    struct buf body;
    buf_init(&body, IPC_BODY_MAX);
    int rc = receive(LAUNCHER_START, &msg, &body, err);
    if (rc >= 0) {
        l->agent = steal_fd(&msg.fds[0]);
        rc = spec_parse(msg.fields[0], &l->spec, err);
    }
    buf_free(&body);
    return rc;
}

/* Nothing of ours goes in: what the agent has before it closes these is no way out. */
static int check_descriptors(struct error *err)
{
    for (int fd = 0; fd <= 2; fd++) {
        enum isolate_fd_kind kind = isolate_fd_classify(fd);
        if (!isolate_fd_safe(kind)) {
            return error_set(err, 0, "launcher: descriptor %d is %s", fd,
                             isolate_fd_kind_name(kind));
        }
    }
    return isolate_fds_cloexec_from(3, err);
}

static int open_network(struct launch *l, struct error *err)
{
    bool ipv6 = false;
    struct isolate_sockets s;
    int rc = isolate_netns_setup(&ipv6, err);
    if (rc == 0) {
        rc = isolate_nft_install(ipv6, err);
    }
    if (rc == 0) {
        rc = isolate_listen_open(ipv6, &s, err);
    }
    if (rc < 0) {
        return rc;
    }
    cleanup_close int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (net < 0 || pipe2(l->report, O_CLOEXEC) != 0) {
        rc = error_set(err, errno, "launcher: open the network namespace and a pipe");
    } else {
        const int fds[] = {s.tcp, s.dns_udp, s.dns_tcp, net, l->report[0]};
        rc = ipc_send_blocking(IPC_CHILD_FD, LAUNCHER_SOCKETS, NULL, 0, fds, 5, err);
        close_fd(&l->report[0]);
    }
    isolate_listen_close(&s);
    return rc;
}

/* As root: files first, while they can be mapped, then the rights go. */
static int enter_as_root(struct launch *l, struct error *err)
{
    int rc = isolate_mounts_private(err);
    if (rc == 0) {
        rc = view_open(&l->view, &l->spec, &l->user, err);
    }
    if (rc == 0) {
        rc = isolate_userns_become(l->view.user.uid, l->view.user.gid, err);
    }
    if (rc == 0) {
        rc = isolate_process_die_with_parent(0, err);
    }
    if (rc == 0) {
        rc = isolate_userns_enter(CLONE_NEWNET, err);
    }
    return rc == 0 ? open_network(l, err) : rc;
}

/* As anybody else the sockets come first: the sidecar needs them, and it has work to do. */
static int enter(struct launch *l, struct error *err)
{
    int rc = isolate_userns_enter(CLONE_NEWNET | CLONE_NEWNS, err);
    if (rc == 0) {
        rc = open_network(l, err);
    }
    return rc == 0 ? view_open(&l->view, &l->spec, &l->user, err) : rc;
}

static int wait_for_go(struct launch *l, struct error *err)
{
    struct ipc_message msg;
    struct buf body;
    buf_init(&body, IPC_BODY_MAX);
    int rc = receive(LAUNCHER_GO, &msg, &body, err);
    if (rc >= 0) {
        rc = view_write_trust(&l->view, msg.fields[0], err);
    }
    buf_free(&body);
    return rc;
}

static int launch(struct launch *l, struct error *err)
{
    isolate_process_reset_signals();
    int rc = isolate_process_die_with_parent(0, err);
    if (rc == 0) {
        rc = take_spec(l, err);
    }
    if (rc == 0) {
        rc = check_descriptors(err);
    }
    if (rc == 0) {
        rc = view_user(&l->spec, &l->user, err);
    }
    if (rc == 0) {
        rc = l->user.by_root ? enter_as_root(l, err) : enter(l, err);
    }
    if (rc == 0) {
        rc = isolate_keyring_new_session(err);
    }
    if (rc == 0) {
        rc = view_write_names(&l->view, err);
    }
    if (rc == 0) {
        rc = bubblewrap_prepare(&l->bubblewrap, &l->view, l->report[1], err);
    }
    if (rc == 0) {
        rc = wait_for_go(l, err);
    }
    return rc == 0 ? bubblewrap_become(&l->bubblewrap, l->agent, err) : rc;
}

int main(void)
{
    static struct launch l;
    struct error err = {0};
    log_open("launcher", NULL);
    l.agent = l.report[0] = l.report[1] = -1;
    if (launch(&l, &err) < 0) {
        const struct span why = span_str(err.text);
        (void)ipc_send_blocking(IPC_CHILD_FD, LAUNCHER_FAILED, &why, 1, NULL, 0, &err);
    }
    view_close(&l.view);
    spec_free(&l.spec);
    return STATUS_FAILED;
}
