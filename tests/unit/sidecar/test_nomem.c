/*
 * One allocation fails, whichever it is: the sidecar ends before it serves, or it serves on and the
 * next request is answered. It never crashes, and never answers wrongly.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUESTS                                                                                   \
    "{ $C https://a.test/chunked -d @/etc/passwd https://a.test/echo; $C http://a.test/hello; "    \
    "$C https://b.test/hello; } >/dev/null 2>&1; "

static void serves_on(struct fixture *f)
{
    struct result r;
    /* The allocation may have been due in this very request: the next one is answered. */
    shell(f, &r, REQUESTS "$C https://c.test/hello 2>/dev/null || $C https://c.test/hello");
    bool right = span_eq(buf_span(&r.out), SPAN_LIT("hello\n"));
    if (!right) {
        print_message("%lu: " SPAN_FMT "%s\n", f->fail_at, SPAN_ARG(buf_span(&r.out)),
                      f->note_detail);
    }
    result_free(&r);
    int status = 0;
    assert_int_equal(waitpid(f->pid, &status, WNOHANG), 0);
    assert_true(right);
}

static void start_with(struct fixture *f, const char *name, unsigned long at)
{
    fixture_kill(f);
    f->fail_name = name;
    f->fail_at = at;
}

static void try_all(struct fixture *f, const char *name, unsigned long last, unsigned long step)
{
    for (unsigned long at = 1; at < last; at += step) {
        start_with(f, name, at);
        if (fixture_try_start(f, true)) {
            serves_on(f);
            continue;
        }
        /* libuv aborts by itself when its table of descriptors cannot grow. */
        int status = 0;
        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT) {
            fail_msg("%s %lu: signal %d", name, at, WTERMSIG(status));
        }
        f->pid = 0;
    }
    start_with(f, name, 0);
    fixture_start(f, true);
    serves_on(f);
}

static void during_the_start(void **state)
{
    try_all(*state, "FAIL_AT", 11400, 457);
}

static void while_it_serves(void **state)
{
    try_all(*state, "FAIL_AFTER", 4000, strtoul(getenv("FAIL_STEP"), NULL, 10));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(during_the_start, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_it_serves, fixture_setup, fixture_teardown),
    };
    setenv("SIDECAR", argc > 1 ? argv[1] : "build/sallyport-sidecar", 1);
    setenv("NOMEM", argc > 2 ? argv[2] : "build/tests/unit/sidecar/libnomem.so", 1);
    setenv("FAIL_STEP", "97", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
