#include "runtime/front.h"

#include "runtime/door.h"

#include <stdlib.h>
#include <unistd.h>

struct front {
    struct list node; /* in runtime.fronts */
    struct door door;
};

static void front_free(struct front *f)
{
    door_close(&f->door);
    list_remove(&f->node);
    free(f);
}

static void gone(struct door *d)
{
    front_free(LIST_ENTRY(d, struct front, door));
}

int front_open(struct runtime *rt, int fd, struct error *err)
{
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        close(fd);
        return error_set(err, 0, "front door: out of memory");
    }
    door_init(&f->door, rt, NULL);
    f->door.gone = gone;
    list_append(&rt->fronts, &f->node);
    int rc = door_open(&f->door, fd, err);
    if (rc != 0) {
        front_free(f);
    }
    return rc;
}

void front_close_all(struct runtime *rt)
{
    while (!list_empty(&rt->fronts)) {
        front_free(LIST_ENTRY(rt->fronts.next, struct front, node));
    }
}
