/* fake: a supervisor's socket in a folder of its own, answered by the test. */
#ifndef SALLYPORT_TESTS_CLI_FAKE_H
#define SALLYPORT_TESTS_CLI_FAKE_H

#include <stddef.h>

#define FAKE_WAIT_MS 10000

struct fake {
    char folder[64];
    char path[96]; /* of the socket */
    int listener;
};

/* Also sets SALLYPORT_SOCKET. */
void fake_open(struct fake *f);
void fake_close(struct fake *f); /* removes the folder with all in it */

int fake_accept(struct fake *f); /* waits; a descriptor of the caller */
/* One request with Content-Length; its bytes, with a NUL behind, to be freed. *body points into it.
 */
char *fake_request(int conn, char **body);
void fake_answer(int conn, unsigned status, const char *json);

/* Whether fd becomes readable within ms. */
int fake_readable(int fd, int ms);

#endif
