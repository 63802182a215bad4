/* A real sidecar process, confined as ever, with the test as its supervisor and outer door. */
#ifndef SALLYPORT_TESTS_SIDECAR_FIXTURE_H
#define SALLYPORT_TESTS_SIDECAR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "gate/gate.h"
#include "ipc/channel.h"
#include "loop/loop.h"

#include <sys/types.h>

#define DEADLINE_MS 20000

struct exchange;

struct fixture {
    struct loop *loop;
    struct loop_timer *deadline;
    pid_t pid;
    const char *fail_name; /* FAIL_AT or FAIL_AFTER, see nomem.c */
    unsigned long fail_at; /* number of the allocation that fails in the process; 0: none */
    int tcp, dns_udp, dns_tcp, key, user_ns, net_ns;
    uint16_t port, dns_port, dns_tcp_port;
    struct ipc_channel *control;
    struct buf cert; /* DER, of READY */
    unsigned ready;
    bool control_closed;
    bool front;
    struct gate *gate;
    bool gate_closed;
    struct exchange *exchanges; /* linked, newest first */
    unsigned requests;
    unsigned tunnels;
    unsigned notes[GATE_NOTE_COUNT];
    char note_detail[128];
    char last_sni[256];
    char last_name[256];
    char last_authority[128];
    uint8_t last_dest[16];
    uint16_t last_dest_port;
    bool last_tls;
    bool last_proxy;
    unsigned resets; /* streams that the sidecar gave up */
    char dir[64];
    char ca_path[96];
};

/* What a client got. */
struct result {
    struct buf out;
    int status; /* exit status of a program */
    bool reset; /* raw: the connection ended with RST */
};

int fixture_setup(void **state);        /* intercepts HTTPS */
int fixture_setup_tunnel(void **state); /* does not */
int fixture_setup_front(void **state);  /* the front door */
int fixture_teardown(void **state);
void fixture_kill(struct fixture *f);
/* A process on the same sockets, key and certificate. */
bool fixture_try_start(struct fixture *f, bool intercept); /* false: it ended without READY */
void fixture_start(struct fixture *f, bool intercept);
void fixture_gate_end(struct fixture *f); /* the outer door dies */
void fixture_gate_new(struct fixture *f);

/* Runs the loop until done(arg), or fails at the deadline. */
void fixture_run(struct fixture *f, bool (*done)(void *arg), void *arg);
/* sh -c command, its output; $PORT, $CA, $DNS, $DNSTCP and $C (curl with the CA, every name to the
 * sidecar) are set. */
void shell(struct fixture *f, struct result *r, const char *command);
/* The same; its output must be exactly that. */
void expect(struct fixture *f, const char *command, const char *output);
/* What comes from fd until its end. */
void gather(struct fixture *f, struct result *r, int fd);
int dial(struct fixture *f); /* a connection to the sidecar */
/* Sends bytes in the clear, gathers what comes until the end. */
void raw(struct fixture *f, struct result *r, struct span bytes);
/* Each: all of the parts are in what came. */
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})
void shell_has(struct fixture *f, const char *command, const char *const *parts);
void raw_has(struct fixture *f, struct span bytes, const char *const *parts);
void result_free(struct result *r);
bool result_has(const struct result *r, const char *text);

#define HAS(r, text)                                                                               \
    do {                                                                                           \
        if (!result_has(r, text)) {                                                                \
            fail_msg("no \"%s\" in: " SPAN_FMT, text, SPAN_ARG(buf_span(&(r)->out)));              \
        }                                                                                          \
    } while (0)

/* outer.c: the outer door of the tests; behaves as the path says. */
extern const struct gate_events outer_events;
uint64_t outer_got(const struct fixture *f); /* bytes that came on the newest stream */
void outer_answer(struct fixture *f);        /* what waits on /later */
void outer_forget(struct fixture *f);

#endif
