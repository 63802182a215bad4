/* The parts that need no process: vault, events, backoff, PEM, the launcher's JSON, descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "isolate/fds.h"
#include "supervisor/backoff.h"
#include "supervisor/events.h"
#include "supervisor/launcher_spec.h"
#include "supervisor/pem.h"
#include "supervisor/stdfds.h"
#include "supervisor/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void vault_keeps_its_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        const char *why; /* NULL: allowed */
    } cases[] = {
        {"A", "x", NULL},
        {"_a9", "tab\tinside", NULL},
        {"", "x", "1 to 128 bytes"},
        {"9A", "x", "no digit first"},
        {"A-B", "x", "letters, digits and _"},
        {"_pem", "line\r\nline\n", NULL},
        {"_empty", "", NULL},
        {"A",
         "wo\x01"
         "rd77",
         "control byte"},
        {"A",
         "wo\x7f"
         "rd77",
         "control byte"},
    };
    struct vault v;
    vault_init(&v);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        int rc = vault_put(&v, span_str(cases[i].name), span_str(cases[i].value), &err);
        assert_int_equal(rc == 0, cases[i].why == NULL);
        if (cases[i].why != NULL) {
            assert_non_null(strstr(err.text, cases[i].why));
            assert_null(strstr(err.text, "rd77")); /* never the value */
        }
    }
    assert_int_equal(v.count, 4);
    assert_true(vault_has(&v, SPAN_LIT("_empty"), SPAN_LIT("")));
    assert_true(vault_has(&v, SPAN_LIT("A"), SPAN_LIT("x")));
    assert_int_equal(vault_put(&v, SPAN_LIT("A"), SPAN_LIT("y"), NULL), 0);
    assert_false(vault_has(&v, SPAN_LIT("A"), SPAN_LIT("x")));
    assert_true(vault_has(&v, SPAN_LIT("A"), SPAN_LIT("y")));
    assert_true(vault_remove(&v, SPAN_LIT("A")));
    assert_false(vault_remove(&v, SPAN_LIT("A")));
    for (unsigned i = 0; i < VAULT_MAX + 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "N%u", i);
        int rc = vault_put(&v, span_str(name), SPAN_LIT("v"), NULL);
        assert_int_equal(rc == 0, i < VAULT_MAX - 3);
    }
    vault_free(&v);
    assert_int_equal(v.count, 0);
}

struct seen {
    unsigned count;
    char first[96];
    char last[96];
};

static void event_seen(void *arg, const struct event *e)
{
    struct seen *s = arg;
    char *to = s->count++ == 0 ? s->first : s->last;
    snprintf(to, sizeof s->first, SPAN_FMT, SPAN_ARG(e->line));
}

static void events_are_bounded_and_clean(void **state)
{
    (void)state;
    char path[] = "/tmp/sallyport-events-XXXXXX";
    int fd = mkstemp(path);
    struct events *e;
    assert_int_equal(events_open(path, &e, NULL), 0);
    struct seen live = {0};
    struct events_listener l = {.fn = event_seen, .arg = &live};
    events_listen(e, &l);
    events_egress(e, SPAN_LIT("i"), SPAN_LIT("{\"a\":\"\x1b[2J\"}\n\n{\"b\":1}"));
    assert_int_equal(live.count, 2);
    assert_string_equal(live.first, "{\"a\":\" [2J\"}");
    events_log(e, (struct events_source){SPAN_LIT("i"), SPAN_LIT("n")}, SPAN_LIT("error"),
               SPAN_LIT("two\nlines"));
    assert_int_equal(live.count, 3);
    assert_non_null(strstr(live.last, "\"time\""));
    assert_non_null(strstr(live.last, "\"instance\":\"i\",\"name\":\"n\""));
    events_listener_remove(&l);
    for (unsigned i = 0; i < EVENTS_REMEMBERED + 5; i++) {
        char line[32];
        snprintf(line, sizeof line, "{\"n\":%u}", i);
        events_egress(e, SPAN_LIT("i"), span_str(line));
    }
    static char big[EVENTS_LINE_MAX + 1];
    memset(big, 'x', sizeof big);
    events_egress(e, SPAN_LIT("i"), span_of(big, sizeof big)); /* dropped */
    struct seen all = {0};
    events_replay(e, SIZE_MAX, event_seen, &all);
    assert_int_equal(all.count, EVENTS_REMEMBERED);
    assert_string_equal(all.first, "{\"n\":5}");
    struct seen two = {0};
    events_replay(e, 2, event_seen, &two);
    assert_int_equal(two.count, 2);
    assert_string_equal(two.last, all.last);
    events_close(e);
    char text[64] = {0};
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "{\"a\":\" [2J\"}\n{\"b\":1}\n{\"n\":0}\n"));
    close(fd);
    unlink(path);
    assert_true(events_open("/nonexistent/x", &e, NULL) < 0);
}

static void backoff_grows_and_forgets(void **state)
{
    (void)state;
    struct backoff b = {.started_ms = 1000};
    static const uint64_t delays[] = {0, 25, 50, 100, 200, 400, 800, 1000, 1000};
    uint64_t now = 1100;
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        assert_int_equal(backoff_delay_ms(&b, now), delays[i]);
        now += delays[i] + 10;
    }
    now += BACKOFF_GOOD_MS;
    assert_int_equal(backoff_delay_ms(&b, now), 0);
    assert_int_equal(backoff_delay_ms(&b, now + 10), 25);
}

static void pem_is_base64_in_lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""}, {"f", "Zg==\n"}, {"fo", "Zm8=\n"}, {"foo", "Zm9v\n"}, {"foobar", "Zm9vYmFy\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[128];
        snprintf(want, sizeof want, "-----BEGIN X-----\n%s-----END X-----\n", cases[i].out);
        buf_clear(&out);
        assert_true(pem_write(&out, "X", span_str(cases[i].in)));
        assert_true(span_eq(buf_span(&out), span_str(want)));
    }
    char zeros[96] = {0};
    buf_clear(&out);
    assert_true(pem_write(&out, "X", span_of(zeros, 49)));
    const char *line = memchr(buf_span(&out).ptr, 'A', buf_len(&out));
    assert_int_equal(strspn(line, "A"), 64);
    assert_memory_equal(line + 64, "\nAA==\n", 6);
    buf_free(&out);
    buf_init(&out, 32);
    assert_false(pem_write(&out, "X", span_of(zeros, 49)));
    buf_free(&out);
}

static void the_launcher_is_told_what_must_not_change(void **state)
{
    (void)state;
    struct spec spec;
    spec_init(&spec);
    spec.id = strdup("box");
    spec.cwd = strdup("/w");
    spec.config_dir = strdup("/w/conf");
    spec.dev_vars = strdup("/w/conf/.dev.vars");
    spec_strings_add(&spec.inputs, "/w/conf/a.ts");
    spec_strings_add(&spec.private_paths, "/state");
    spec_strings_add(&spec.argv, "true");
    spec.binds = calloc(1, sizeof *spec.binds);
    spec.binds[0] = (struct spec_bind){strdup("/w"), strdup("/w"), false};
    spec.bind_count = 1;
    cleanup_free char *text =
        launcher_spec_json(&spec, &(struct launcher_facts){.uid = 2000000007});
    json_t *o = json_loads(text, 0, NULL);
    cleanup_free char *readonly = json_dumps(json_object_get(o, "readonly"), JSON_COMPACT);
    cleanup_free char *masked = json_dumps(json_object_get(o, "masked"), JSON_COMPACT);
    assert_string_equal(readonly, "[\"/w/conf/a.ts\",\"/w/conf\"]");
    assert_string_equal(masked, "[\"/w/conf/.dev.vars\"]");
    assert_int_equal(json_integer_value(json_object_get(o, "uid")), 2000000007);
    assert_true(json_is_false(json_object_get(o, "workspace")));
    json_decref(o);
    /* The folder that is bound itself stays writable; its policy files do not. */
    free(spec.config_dir);
    spec.config_dir = strdup("/w");
    cleanup_free char *other = launcher_spec_json(&spec, &(struct launcher_facts){0});
    assert_non_null(strstr(other, "\"readonly\":[\"/w/conf/a.ts\"]"));
    assert_null(strstr(other, "\"uid\""));
    spec_free(&spec);
}

static void put_on_stdin(int fd)
{
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
}

/* What the sandbox gets on descriptor 0 for each kind of ours. */
static void descriptors_are_safe(void **state)
{
    (void)state;
    struct loop *loop = loop_create(NULL);
    int keep = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    struct stdio s;
    struct error err;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    put_on_stdin(pair[0]);
    assert_int_equal(stdio_open(&s, loop, &err), 0);
    assert_int_equal(isolate_fd_classify(s.fds[0]), ISOLATE_FD_PIPE);
    stdio_close(&s);
    close(pair[1]);

    put_on_stdin(open("/tmp", O_RDONLY | O_DIRECTORY));
    assert_true(stdio_open(&s, loop, &err) < 0);
    assert_non_null(strstr(err.text, "folder"));

    put_on_stdin(open("/etc/passwd", O_PATH));
    assert_true(stdio_open(&s, loop, &err) < 0);

    /* Opened for reading, but ours to write: opening it anew inside must not lead to it. */
    char path[] = "/tmp/sallyport-stdin-XXXXXX";
    close(mkstemp(path));
    put_on_stdin(open(path, O_RDONLY));
    assert_int_equal(stdio_open(&s, loop, &err), 0);
    assert_int_equal(isolate_fd_classify(s.fds[0]), ISOLATE_FD_PIPE);
    stdio_close(&s);
    unlink(path);

    assert_int_equal(pipe(pair), 0);
    put_on_stdin(pair[0]);
    assert_int_equal(stdio_open(&s, loop, &err), 0);
    struct stat ours;
    struct stat theirs;
    fstat(STDIN_FILENO, &ours);
    fstat(s.fds[0], &theirs);
    assert_int_equal(ours.st_ino, theirs.st_ino); /* passed as it is */
    stdio_close(&s);
    close(pair[1]);

    dup2(keep, STDIN_FILENO);
    close(keep);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vault_keeps_its_rules),
        cmocka_unit_test(events_are_bounded_and_clean),
        cmocka_unit_test(backoff_grows_and_forgets),
        cmocka_unit_test(pem_is_base64_in_lines),
        cmocka_unit_test(the_launcher_is_told_what_must_not_change),
        cmocka_unit_test(descriptors_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
