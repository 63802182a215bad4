/* With every allocation failing in turn, a change either holds or has changed nothing. */
#include "fixture.h"

#include <errno.h>

/* The n-th allocation from now fails; < 0: none does. */
static int fail_in = -1;
static bool failed;
extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
    if (fail_in == 0) {
        errno = ENOMEM;
        failed = true;
        return true;
    }
    fail_in -= fail_in > 0;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

static struct policy_override override(const char *host)
{
    return (struct policy_override){span_str(host), SPAN_LIT("h"), SPAN_LIT("{\"n\":1}")};
}

static int set_handler(struct policy *p)
{
    struct policy_override o = override("");
    return policy_set_handler(p, &o, NULL);
}

static int set_by_host(struct policy *p)
{
    struct policy_override o = override("new.b\xc3\xbc"
                                        "cher.test");
    return policy_set_by_host(p, &o, NULL);
}

static int set_again(struct policy *p)
{
    struct policy_override o = override("*.old.test");
    o.params = SPAN_LIT("2");
    return policy_set_by_host(p, &o, NULL);
}

static int set_by_hosts(struct policy *p)
{
    struct policy_override all[] = {override("a.test"), override("*.b.test")};
    return policy_set_by_hosts(p, all, 2, NULL);
}

static int remove_by_host(struct policy *p)
{
    return policy_remove_by_host(p, SPAN_LIT("*.old.test"), NULL);
}

static int list_set(struct policy *p)
{
    struct words w;
    return policy_list_set(p, POLICY_ALLOWED, words_split(&w, "a.test *.b.test 10.0.0.0/8"), NULL);
}

static int list_add(struct policy *p)
{
    return policy_list_add(p, POLICY_DENIED, SPAN_LIT("new.test"), NULL);
}

static int list_remove(struct policy *p)
{
    return policy_list_remove(p, POLICY_DENIED, SPAN_LIT("denied.test"), NULL);
}

static int load(struct policy *p)
{
    return policy_state_load(
        p,
        SPAN_LIT("{\"v\":1,\"handler\":{\"method\":\"h\"},\"hosts\":[{\"host\":"
                 "\"x.test\",\"method\":\"h\"}],\"allowed\":[\"*\"]}"),
        NULL);
}

static int configure(struct policy *p)
{
    struct words w[2];
    struct policy_config c = {.class_name = SPAN_LIT("Box"),
                              .allowed_tcp = *words_split(&w[0], "a.test:22"),
                              .handlers = *words_split(&w[1], "h")};
    return policy_configure(p, &c, NULL);
}

static struct policy *fresh(void)
{
    struct error err;
    struct policy_override o = override("*.old.test");
    struct policy *p = policy_of(&(struct spec){.denied = "denied.test", .handlers = "h"}, &err);
    assert_non_null(p);
    assert_int_equal(policy_set_by_host(p, &o, &err), 0);
    return p;
}

/* The saved state, and a decision that the class makes. */
static void write_down(const struct policy *p, struct buf *out)
{
    buf_init(out, POLICY_STATE_MAX);
    assert_int_equal(policy_state_save(p, out, NULL), 0);
    assert_true(buf_appendf(out, " %d", ask(p, "denied.test").decision));
}

static void try_all(int (*change)(struct policy *p))
{
    for (int n = 0;; n++) {
        struct policy *p = fresh();
        struct buf before;
        struct buf after;
        assert_true(n < 200);
        write_down(p, &before);
        failed = false;
        fail_in = n;
        int rc = change(p);
        bool all_there = !failed;
        fail_in = -1;
        assert_true(all_there == (rc == 0));
        if (rc < 0) {
            write_down(p, &after);
            assert_true(span_eq(buf_span(&before), buf_span(&after)));
            buf_free(&after);
        }
        buf_free(&before);
        policy_free(p);
        if (all_there) {
            return;
        }
    }
}

static void every_change(void **state)
{
    (void)state;
    int (*const changes[])(struct policy *) = {set_handler,    set_by_host, set_again, set_by_hosts,
                                               remove_by_host, list_set,    list_add,  list_remove,
                                               load,           configure};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        try_all(changes[i]);
    }
}

static void a_copy_is_whole_or_none(void **state)
{
    (void)state;
    struct policy *p = fresh();
    struct policy *copy = NULL;
    for (int n = 0; copy == NULL; n++) {
        assert_true(n < 200);
        fail_in = n;
        copy = policy_clone(p);
        fail_in = -1;
    }
    struct buf a;
    struct buf b;
    write_down(p, &a);
    write_down(copy, &b);
    assert_true(span_eq(buf_span(&a), buf_span(&b)));
    buf_free(&a);
    buf_free(&b);
    policy_free(copy);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change),
        cmocka_unit_test(a_copy_is_whole_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
