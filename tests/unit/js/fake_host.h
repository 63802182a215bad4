/*
 * A host for tests of the JavaScript room: it records what it was told and answers from the loop,
 * never from inside a callback.
 */
#ifndef SALLYPORT_TESTS_JS_FAKE_HOST_H
#define SALLYPORT_TESTS_JS_FAKE_HOST_H

#include "js/js.h"

#define FAKE_TASKS       64
#define FAKE_FETCHES     64
#define FAKE_KV          16
#define FAKE_OBJECTS     256
#define FAKE_OBJECT_TASK 1000u /* tasks of objects, from here on */

struct fake_request {
    char method[16];
    char url[256];
    char headers[1024];
    char body[1024];
    bool has_body;
};

struct fake_fetch {
    bool open;
    bool failed;
    uint32_t task;
    uint32_t base;
    char method[16];
    char url[256];
    bool replace;
    char log[2048];
    enum js_redirect redirect;
    enum js_body_kind body_kind;
    char body[4096];
    size_t body_len;
};

struct fake_result {
    bool done;
    bool more;
    bool over;
    enum js_result_kind kind;
    uint16_t status;
    uint32_t base;
    bool replace;
    char log[4096];
    char error[4096];
    enum js_body_kind body_kind;
    uint32_t body_id;
    char body[65536];
    size_t body_len;
    int64_t body_length; /* as its source tells it */
    bool body_ended;
    bool body_broken;
};

struct fake_call {
    bool done;
    bool over;
    char result[4096];
    char error[4096];
};

struct fake_host {
    struct loop *loop;
    struct js_version *version;
    struct fake_request requests[FAKE_TASKS];
    struct fake_result results[FAKE_TASKS];
    struct fake_call calls[FAKE_TASKS];
    struct fake_fetch fetches[FAKE_FETCHES];
    size_t fetch_count;  /* started in all */
    size_t fetch_closed; /* by the room */
    bool answer;         /* each fetch gets its response at the end of the turn */
    const char *fail;    /* or this failure */
    uint16_t status;
    const char *response_headers;
    const char *response_body; /* NULL: none */
    size_t response_len;       /* of it, when it holds NUL bytes; 0: a string */
    size_t drain_max;          /* a source of the room's is closed after so many bytes; 0: never */
    bool slow_body;            /* one byte a read, with a wait before each */
    char log[65536];
    char secret[64];
    char policy[1024];
    const char *policy_error;
    struct js_instance *objects[FAKE_OBJECTS]; /* that code asked for */
    size_t object_count;
    size_t object_asked;
    size_t object_unique;
    const char *object_error;
    char object_name[64]; /* last asked for */
    struct {
        char key[64];
        char value[256];
        char metadata[256];
    } kv[FAKE_KV];
};

extern const struct js_host fake_host_table;

/* Gives the objects back that code asked for. */
void fake_objects_destroy(struct fake_host *h);

/* Runs the loop until *flag, or fails the test after some seconds. */
void fake_wait(struct fake_host *h, const bool *flag);
/* Runs the loop's ready work once or a few times. */
void fake_spin(struct fake_host *h);

#endif
