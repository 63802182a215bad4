/*
 * A host for tests of sandboxes from code: what code asks of one is done by processes of this
 * machine, with pipes as the supervisor makes them; file calls by a script. Nothing is isolated.
 */
#ifndef SALLYPORT_TESTS_JS_FAKE_BOX_H
#define SALLYPORT_TESTS_JS_FAKE_BOX_H

#include "tests/unit/js/fake_host.h"

#define BOX_PROCESSES 256

struct box_process {
    uint32_t number; /* 0: free */
    int pid;
    int pidfd;
    bool background;
    bool ended;
    bool killed_late; /* by its time limit */
    char label[256];
    int status;
    struct loop_watch *watch;
    struct loop_timer *timeout;
    struct fake_box *box;
};

/* One object's sandbox. */
struct fake_box {
    struct js_instance *inst;
    bool running;
    char id[65];
    struct box_process processes[BOX_PROCESSES];
    uint32_t last_process;
    uint32_t starts;
    char start_args[1024];
    char last_op[32];
    char last_args[2048];
};

#define BOXES 16
struct fake_boxes {
    struct fake_host host; /* first: it is the callbacks' arg */
    struct fake_box boxes[BOXES];
    size_t box_count;
    char dir[64];            /* where sandboxes keep files, logs and sessions */
    const char *start_error; /* what the next start fails with */
    bool busy;               /* what "idle" answers */
    int port;                /* that a server listens on, 0: none */
    unsigned port_asked;
    unsigned port_ready_after; /* so many probes are refused first */
};

/* Fills b->host.loop; the table to load with. */
const struct js_host *fake_boxes_start(struct fake_boxes *b);
struct fake_box *fake_box_create(struct fake_boxes *b, const char *class_name, const char *id);
/* The sandbox ends by itself. */
void fake_box_end(struct fake_box *box, int status, const char *why);
void fake_boxes_stop(struct fake_boxes *b);

#endif
