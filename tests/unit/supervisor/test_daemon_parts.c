/* The daemon's parts that need no process: cron expressions, frames, bodies, addresses, locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "supervisor/container_start.h"
#include "supervisor/cron.h"
#include "supervisor/exec_request.h"
#include "supervisor/front.h"
#include "supervisor/state_lock.h"
#include "supervisor/uids.h"

#include <stdio.h>
#include <time.h>

static int64_t at(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return (int64_t)timegm(&tm);
}

static void cron_finds_the_next_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *after;
        const char *next; /* NULL: never */
    } cases[] = {
        {"* * * * *", "2026-11-25 04:30", "2026-11-25 04:31"},
        {"*/15 * * * *", "2026-11-25 04:30", "2026-11-25 04:45"},
        {"5/20 * * * *", "2026-11-25 04:46", "2026-11-25 05:05"},
        {"0 17 * * *", "2026-11-25 17:00", "2026-11-26 17:00"},
        {"0,30 8-9 * * *", "2026-11-25 08:31", "2026-11-25 09:00"},
        {"0 0 1 JAN *", "2026-11-25 00:00", "2027-01-01 00:00"},
        {"0 0 29 2 *", "2026-11-25 00:00", "2028-02-29 00:00"},
        {"0 9 * * MON-FRI", "2026-11-27 09:00", "2026-11-30 09:00"}, /* a Friday */
        {"0 9 * * 1", "2026-11-25 00:00", "2026-11-29 09:00"},       /* 1 is Sunday */
        {"0 9 * * sun,7", "2026-11-25 00:00", "2026-11-28 09:00"},   /* 7 is Saturday */
        {"0 0 13 * FRI", "2026-11-25 00:00", "2026-11-27 00:00"},    /* either day */
        {"59 23 L * *", "2026-02-01 00:00", "2026-02-28 23:59"},
        {"0 0 LW * *", "2026-11-25 00:00", "2026-11-30 00:00"},
        {"0 0 15W * *", "2026-08-01 00:00", "2026-08-14 00:00"}, /* the 15th is a Saturday */
        {"0 0 1W * *", "2026-07-31 12:00", "2026-08-03 00:00"},  /* not into July */
        {"0 0 * * 6L", "2026-11-01 00:00", "2026-11-27 00:00"},  /* the last Friday */
        {"0 0 * * 2#1", "2026-11-03 00:00", "2026-12-07 00:00"}, /* the first Monday */
        {"0 0 31 2 *", "2026-11-25 00:00", NULL},
        {"0 0 * * 1#5", "2026-11-30 00:00", "2027-01-31 00:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cron c;
        struct error err = {0};
        if (cron_parse(span_str(cases[i].text), &c, &err) < 0) {
            fail_msg("%s: %s", cases[i].text, err.text);
        }
        int64_t next = cron_next(&c, at(cases[i].after));
        int64_t expected = cases[i].next != NULL ? at(cases[i].next) : -1;
        if (next != expected) {
            fail_msg("%s: %lld, expected %lld", cases[i].text, (long long)next,
                     (long long)expected);
        }
    }
}

static void cron_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "1,,2 * * * *",
        "1- * * * *",
        "* * * * FOO",
        "L * * * *",
        "* * * * 2#6",
        "1,* x * * *",
        "-1 * * * *",
        "99999999999 * * * *",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cron c;
        struct error err = {0};
        if (cron_parse(span_str(cases[i]), &c, &err) == 0) {
            fail_msg("\"%s\" was read", cases[i]);
        }
        assert_non_null(strstr(err.text, "cron"));
    }
}

static void options_of_a_start_are_strict(void **state)
{
    (void)state;
    struct container_start c;
    struct error err;
    assert_int_equal(
        container_start_parse(
            SPAN_LIT("{\"env\":{\"A\":\"b\"},\"internet\":false,\"entrypoint\":[\"x\",\"y\"]}"),
            "{\"allow\":[\"h\"]}", &c, &err),
        0);
    assert_true(span_eq(c.start.env, SPAN_LIT("A=b\0")));
    assert_true(span_eq(c.start.entrypoint, SPAN_LIT("x\0y\0")));
    assert_string_equal(c.start.options, "{\"allow\":[\"h\"],\"internet\":false}");
    container_start_free(&c);
    static const char *const wrong[] = {
        "[]",
        "{\"env\":[]}",
        "{\"env\":{\"A=B\":\"c\"}}",
        "{\"env\":{\"A\":1}}",
        "{\"more\":1}",
        "{\"internet\":1}",
        "{\"entrypoint\":[]}",
        "{\"entrypoint\":\"x\"}",
        "{",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (container_start_parse(span_str(wrong[i]), "{}", &c, &err) == 0) {
            fail_msg("%s was taken", wrong[i]);
        }
    }
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",       "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "x:1", "300.1.1.1:80",
        "::1:80", "[::1]80",   "1.1.1.1:-1", "127.0.0.1:1x"};
    char address[FRONT_ADDRESS_MAX];
    struct error err;
    int fd = -1;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (front_listen(wrong[i], &fd, address, &err) == 0) {
            fail_msg("%s was taken", wrong[i]);
        }
        assert_non_null(strstr(err.text, "listen"));
    }
    assert_int_equal(front_listen("127.0.0.1:0", &fd, address, &err), 0);
    assert_null(strstr(address, ":0"));
    int second = -1;
    assert_true(front_listen(address, &second, address, &err) < 0);
    assert_non_null(strstr(err.text, "in use"));
    close(fd);
}

/* Two who open the same file never hold the same id; what was dropped can be had again. */
static void uids_are_never_shared(void **state)
{
    (void)state;
    char path[] = "/tmp/sallyport-unit-uids-XXXXXX";
    int fd = mkstemp(path);
    struct uids *a;
    struct uids *b;
    struct error err;
    uid_t mine;
    uid_t next;
    uid_t theirs;
    assert_int_equal(uids_open(path, &a, &err), 0);
    assert_int_equal(uids_open(path, &b, &err), 0);
    assert_int_equal(uids_take(a, &mine, &err), 0);
    assert_int_equal(uids_take(b, &theirs, &err), 0);
    assert_int_equal(mine, UIDS_FIRST);
    assert_int_not_equal(mine, theirs);
    assert_int_equal(uids_take(a, &next, &err), 0);
    assert_int_not_equal(next, theirs);
    uids_drop(a, mine);
    uids_drop(a, 0);
    uids_close(a);
    uids_close(b);
    close(fd);
    unlink(path);
}

static void a_state_folder_has_one_holder(void **state)
{
    (void)state;
    char dir[] = "/tmp/sallyport-unit-lock-XXXXXX";
    char path[64];
    struct state_lock a;
    struct state_lock b;
    struct error err;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(state_lock_take(&a, dir, "/run/x.sock", &err), 0);
    assert_true(state_lock_take(&b, dir, "/run/y.sock", &err) < 0);
    assert_non_null(strstr(err.text, "/run/x.sock"));
    state_lock_drop(&a);
    state_lock_drop(&b);
    assert_int_equal(state_lock_take(&b, dir, NULL, &err), 0);
    state_lock_drop(&b);
    snprintf(path, sizeof path, "%s/daemon.lock", dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cron_finds_the_next_time),
        cmocka_unit_test(cron_refuses),
        cmocka_unit_test(options_of_a_start_are_strict),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(uids_are_never_shared),
        cmocka_unit_test(a_state_folder_has_one_holder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
