/*
 * A HTTP/1.1 origin on loopback for tests: a thread that accepts, one thread a connection.
 *   GET /echo    the request's head, as it came
 *   GET /big     ORIGIN_BIG bytes, chunked
 *   GET /cut     says 100 bytes, sends 10, closes
 *   GET /to/HOST 302 to http://HOST/echo
 *   GET /loop    302 to itself
 *   HEAD *       says 42 bytes
 *   GET /slow    never answers
 *   POST *       "N bytes, sum S" of the body
 */
#ifndef TEST_RUNTIME_ORIGIN_H
#define TEST_RUNTIME_ORIGIN_H

#include <stdint.h>

#define ORIGIN_BIG (4u * 1024u * 1024u)

/* The port; 0: it could not be opened. Lives until the process ends. */
uint16_t origin_start(void);
unsigned origin_requests(void); /* heads that arrived so far */

#endif
