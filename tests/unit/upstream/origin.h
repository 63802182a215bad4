/* A scripted origin on loopback, and a name server, in the loop of the test. */
#ifndef SALLYPORT_TESTS_UPSTREAM_ORIGIN_H
#define SALLYPORT_TESTS_UPSTREAM_ORIGIN_H

#include "base/buf.h"
#include "loop/loop.h"
#include "tls/tls.h"

struct origin_conn;

struct origin_server {
    struct loop *loop;
    struct tls_server *tls; /* NULL: in the clear */
    const char *leaf;       /* the name that its certificate is for */
    bool sni;               /* a client that asks for another name is cut */
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    struct list conns;
    unsigned accepted;
    unsigned requests;
    struct buf last; /* the last request: head and body as they came */
};

void origin_start(struct origin_server *s, struct loop *loop, struct tls_server *tls,
                  const char *leaf);
void origin_stop(struct origin_server *s);
/* Closes every connection, as an origin does whose keep-alive time is over. */
void origin_hang_up(struct origin_server *s);

#define ORIGIN_BIG (3u * 1024u * 1024u)
char origin_byte(size_t i); /* the i-th byte of a big body */

/* Answers A and AAAA with what is set here. */
struct name_server {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct loop_watch *watch;
    unsigned asked;
    bool silent;
    uint32_t ttl;
    uint8_t v4[4];
    bool v6; /* AAAA is answered with ::1, where nobody listens */
    bool nxdomain;
};

void name_server_start(struct name_server *s, struct loop *loop);
void name_server_stop(struct name_server *s);

#endif
