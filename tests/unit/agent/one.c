#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "one.h"

#include <signal.h>
#include <string.h>

struct driver d;
struct outcome o;

int one_start(void **state)
{
    (void)state;
    driver_start(&d);
    return 0;
}

int one_end(void **state)
{
    (void)state;
    return driver_end(&d) == 128 + SIGKILL ? 0 : -1;
}

void run(const char *flags, const char *const *argv)
{
    const struct ask ask = {.flags = flags, .argv = argv};
    driver_do(&d, &ask, &o);
}

void expect(const char *how, int number)
{
    if (strcmp(o.how, how) != 0 || o.number != number) {
        fail_msg("%s %d, not %s %d: %s%s", o.how, o.number, how, number, o.why, o.err);
    }
}
