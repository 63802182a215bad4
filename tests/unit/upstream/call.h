/* What every test of this room needs: origins, one upstream, calls that record what came of them.
 */
#ifndef SALLYPORT_TESTS_UPSTREAM_CALL_H
#define SALLYPORT_TESTS_UPSTREAM_CALL_H

#include "origin.h"

#include "upstream/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
    struct loop *loop;
    struct loop_timer *deadline;
    struct tls_mint *mint;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct origin_server plain;  /* plain.test:80, dead.test:80 for a port nobody listens on */
    struct origin_server secure; /* secure.test:443 */
    struct origin_server wrong;  /* wrong.test:443 with a certificate for another.test */
    struct name_server names;
    struct upstream *up;
    bool allow_private;
};

/* One request of a test and all that came of it. */
struct call {
    struct fixture *f;
    struct upstream_fetch *fetch;
    bool done;
    bool hold;           /* reads no body until told */
    bool cancel_at_head; /* closes the body in the response callback */
    unsigned informs;
    uint16_t status;
    int64_t length;
    bool reused;
    bool has_body;
    char headers[4096];
    struct source *body;
    struct buf got;
    ssize_t end; /* 0, or the error the body ended with */
    size_t trailers;
    char trailer[64];
    bool failed;
    enum upstream_failure failure;
    char why[512];
    bool sent;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_run(struct fixture *f); /* until a callback stops the loop; fails when it takes long */
void fixture_settle(struct fixture *f); /* until everything that is due now has happened */

extern const struct upstream_events call_events;
struct upstream_request call_request(bool secure, const char *host, const char *method,
                                     const char *target);
void call_start(struct fixture *f, struct call *c, const struct upstream_request *req);
void call_read(void *arg); /* goes on with a body that was held */
void call_wait(struct call *c);
void call_free(struct call *c);
void call_get(struct fixture *f, struct call *c, bool secure, const char *host, const char *path);
bool call_got(const struct call *c, const char *text);

/* A request body of len bytes that comes 5000 at a time, a turn apart, and ends with `end` (0, or
 * negative: it breaks). *closed is set when it is given back; closed may be NULL. */
struct source *drip_make(struct fixture *f, size_t len, int64_t length, ssize_t end, bool *closed);

#define UPSTREAM_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
