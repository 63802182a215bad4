/* What may be changed at run time, and how it is kept. */
#include "fixture.h"

static struct policy *make(const struct spec *s)
{
    struct error err;
    struct policy *p = policy_of(s, &err);
    assert_non_null(p);
    return p;
}

static void assert_saved(const struct policy *p, const char *want)
{
    struct buf out;
    struct error err;
    buf_init(&out, POLICY_STATE_MAX);
    assert_int_equal(policy_state_save(p, &out, &err), 0);
    assert_span(buf_span(&out), want);
    buf_free(&out);
}

static const struct policy_override *over(const char *host, const char *handler, const char *params)
{
    static struct policy_override o;
    o = (struct policy_override){span_str(host), span_str(handler), span_str(params)};
    return &o;
}

static void catch_all(void **state)
{
    (void)state;
    struct error err;
    struct policy *p = make(&(struct spec){.handlers = "noHttp allow", .outbound = true});

    assert_true(policy_set_handler(p, over("", "nope", ""), &err) < 0);
    assert_string_equal(err.text,
                        "Outbound handler method 'nope' not found in outboundHandlers for Box");
    assert_true(policy_set_handler(p, over("", "toString", ""), &err) < 0);
    assert_saved(p, "{\"v\":1}");
    assert_int_equal(policy_set_handler(p, over("", "allow", "{\"n\":[1e21,\"\\ud800\"]}"), &err),
                     0);
    struct policy_verdict v = ask(p, "a.com");
    assert_int_equal(v.rule, POLICY_RULE_SET_OUTBOUND_HANDLER);
    assert_int_equal(v.index, 1);
    assert_span(v.handler, "allow");
    assert_span(v.params, "{\"n\":[1e21,\"\\ud800\"]}");
    assert_int_equal(policy_set_handler(p, over("", "noHttp", ""), &err), 0);
    v = ask(p, "a.com");
    assert_int_equal(v.index, 0);
    assert_span(v.params, "");
    policy_remove_handler(p);
    policy_remove_handler(p);
    assert_int_equal(ask(p, "a.com").rule, POLICY_RULE_OUTBOUND);
    policy_free(p);
}

static void by_host(void **state)
{
    (void)state;
    struct error err;
    struct policy *p = make(&(struct spec){.handlers = "a b", .hosts = "x.com"});

    assert_int_equal(policy_set_by_host(p, over("*.com", "a", ""), &err), 0);
    assert_int_equal(policy_set_by_host(p, over("X.com", "b", "1"), &err), 0);
    assert_int_equal(policy_set_by_host(p, over("x.*", "b", ""), &err), 0);
    assert_int_equal(ask(p, "x.com").index, 1);
    assert_span(ask(p, "x.com").pattern, "X.com");
    assert_int_equal(ask(p, "y.com").index, 0);
    /* Setting one again keeps its place. */
    assert_int_equal(policy_set_by_host(p, over("*.com", "b", ""), &err), 0);
    assert_saved(p, "{\"v\":1,\"hosts\":[{\"host\":\"*.com\",\"method\":\"b\"},"
                    "{\"host\":\"X.com\",\"method\":\"b\",\"params\":\"1\"},"
                    "{\"host\":\"x.*\",\"method\":\"b\"}]}");
    assert_true(policy_set_by_host(p, over("*.com", "gone", ""), &err) < 0);
    assert_true(policy_set_by_host(p, over("a b", "a", ""), &err) < 0);
    assert_int_equal(policy_remove_by_host(p, SPAN_LIT("x.com"), &err), 0);
    assert_int_equal(policy_remove_by_host(p, SPAN_LIT("never.com"), &err), 0);
    assert_int_equal(policy_remove_by_host(p, SPAN_LIT("a b"), &err), 0);
    assert_span(ask(p, "x.com").pattern, "*.com");
    assert_int_equal(policy_set_by_hosts(p, NULL, 0, &err), 0);
    assert_int_equal(ask(p, "x.com").rule, POLICY_RULE_OUTBOUND_BY_HOST);
    policy_free(p);
}

static void by_hosts_is_all_or_nothing(void **state)
{
    (void)state;
    struct error err;
    struct policy *p = make(&(struct spec){.handlers = "a"});
    struct policy_override bad_name[] = {{SPAN_LIT("new.com"), SPAN_LIT("a"), {"", 0}},
                                         {SPAN_LIT("b.com"), SPAN_LIT("gone"), {"", 0}}};
    struct policy_override bad_host[] = {{SPAN_LIT("new.com"), SPAN_LIT("a"), {"", 0}},
                                         {SPAN_LIT("b c"), SPAN_LIT("a"), {"", 0}}};

    assert_int_equal(policy_set_by_host(p, over("old.com", "a", ""), &err), 0);
    assert_true(policy_set_by_hosts(p, bad_name, 2, &err) < 0);
    assert_true(policy_set_by_hosts(p, bad_host, 2, &err) < 0);
    assert_saved(p, "{\"v\":1,\"hosts\":[{\"host\":\"old.com\",\"method\":\"a\"}]}");
    policy_free(p);
}

static void lists(void **state)
{
    (void)state;
    struct error err;
    struct words w;
    struct policy *p = make(&(struct spec){.allowed = "a.com"});

    /* Of what is there, nothing is stored; of a new one, the whole list. */
    assert_int_equal(policy_list_add(p, POLICY_ALLOWED, SPAN_LIT("a.com"), &err), 0);
    assert_saved(p, "{\"v\":1}");
    assert_int_equal(policy_list_add(p, POLICY_ALLOWED, SPAN_LIT("b.com"), &err), 0);
    assert_saved(p, "{\"v\":1,\"allowed\":[\"a.com\",\"b.com\"]}");
    assert_int_equal(policy_list_remove(p, POLICY_ALLOWED, SPAN_LIT("A.com"), &err), 0);
    assert_int_equal(policy_list_remove(p, POLICY_ALLOWED, SPAN_LIT("b.com"), &err), 0);
    assert_saved(p, "{\"v\":1,\"allowed\":[]}");
    assert_int_equal(ask(p, "a.com").rule, POLICY_RULE_ALLOWED_HOSTS);
    assert_int_equal(ask(p, "a.com").decision, POLICY_DENY);
    assert_true(policy_list_add(p, POLICY_DENIED, SPAN_LIT("a b"), &err) < 0);
    assert_int_equal(policy_list_set(p, POLICY_DENIED, words_split(&w, "x.com 10.0.0.0/8"), &err),
                     0);
    assert_true(policy_list_set(p, POLICY_DENIED, words_split(&w, "y.com z/z"), &err) < 0);
    assert_saved(p, "{\"v\":1,\"allowed\":[],\"denied\":[\"x.com\",\"10.0.0.0/8\"]}");
    policy_free(p);
}

/* Without a list, allowHost makes one and so do the removals, as upstream. */
static void lists_from_nothing(void **state)
{
    (void)state;
    struct error err;
    struct policy *p = make(&(struct spec){0});
    assert_int_equal(policy_list_add(p, POLICY_ALLOWED, SPAN_LIT("a.com"), &err), 0);
    assert_int_equal(ask(p, "b.com").decision, POLICY_DENY);
    policy_free(p);
    p = make(&(struct spec){0});
    assert_int_equal(policy_list_remove(p, POLICY_ALLOWED, SPAN_LIT("a.com"), &err), 0);
    assert_int_equal(policy_list_remove(p, POLICY_DENIED, SPAN_LIT("a.com"), &err), 0);
    assert_saved(p, "{\"v\":1,\"allowed\":[],\"denied\":[]}");
    assert_int_equal(ask(p, "a.com").decision, POLICY_DENY);
    policy_free(p);
}

static void state_round_trip(void **state)
{
    (void)state;
    static const char text[] =
        "{\"v\":1,\"handler\":{\"method\":\"a\",\"params\":\"{\\u0022k\\u0022:1.10}\"},"
        "\"hosts\":[{\"host\":\"*.x.com\",\"method\":\"gone\"}],"
        "\"allowed\":[\"*\"],\"denied\":[]}";
    struct error err;
    struct policy *p = make(&(struct spec){.handlers = "a", .denied = "d.com"});

    assert_int_equal(policy_state_load(p, span_str(text), &err), 0);
    assert_saved(p, text);
    assert_span(ask(p, "b.com").params, "{\"k\":1.10}");
    assert_int_equal(ask(p, "d.com").decision, POLICY_HANDLER);
    /* A name that the code has lost denies, by its rule, and says so. */
    struct policy_verdict v = ask(p, "1.x.com");
    assert_int_equal(v.decision, POLICY_DENY);
    assert_int_equal(v.rule, POLICY_RULE_SET_OUTBOUND_BY_HOST);
    assert_span(v.handler, "gone");
    assert_non_null(strstr(v.reason, "not in the code"));
    struct policy_override lost;
    assert_true(policy_lost(p, 0, &lost));
    assert_span(lost.handler, "gone");
    assert_span(lost.host, "*.x.com");
    assert_false(policy_lost(p, 1, &lost));
    /* A copy is a copy; code that has the name again makes it work again. */
    struct policy *copy = policy_clone(p);
    policy_free(p);
    assert_saved(copy, text);
    struct words w;
    struct policy_config c = {.class_name = SPAN_LIT("Box"), .handlers = *words_split(&w, "gone")};
    assert_int_equal(policy_configure(copy, &c, &err), 0);
    assert_int_equal(ask(copy, "1.x.com").decision, POLICY_HANDLER);
    assert_int_equal(ask(copy, "b.com").decision, POLICY_DENY);
    assert_true(policy_lost(copy, 0, &lost));
    assert_span(lost.handler, "a");
    assert_span(lost.host, "");
    assert_false(policy_lost(copy, 1, &lost));
    policy_free(copy);
}

static void bad_state_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"v\":2}",
        "{\"v\":1,\"extra\":1}",
        "{\"v\":1,\"handler\":\"a\"}",
        "{\"v\":1,\"handler\":{\"method\":1}}",
        "{\"v\":1,\"handler\":{\"method\":\"a\",\"params\":{}}}",
        "{\"v\":1,\"handler\":{\"method\":\"a\",\"x\":\"\"}}",
        "{\"v\":1,\"hosts\":{}}",
        "{\"v\":1,\"hosts\":[{\"method\":\"a\"}]}",
        "{\"v\":1,\"allowed\":[\"ok.com\"],\"denied\":[\"a b\"]}",
        "{\"v\":1,\"allowed\":[1]}",
        "{\"v\":1,\"allowed\":\"*\"}",
        "{\"v\":1,\"intercepts\":{}}",
        "{\"v\":1,\"intercepts\":[{\"tls\":1,\"match\":\"a\",\"target\":\"\"}]}",
        "{\"v\":1,\"intercepts\":[{\"tls\":true,\"match\":\"\",\"target\":\"\"}]}",
        "{\"v\":1,\"v\":1}",
        "{\"v\":1} x",
    };
    struct error err;
    struct policy *p = make(&(struct spec){.handlers = "a"});
    assert_int_equal(policy_list_add(p, POLICY_DENIED, SPAN_LIT("d.com"), &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (policy_state_load(p, span_str(bad[i]), &err) >= 0) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_saved(p, "{\"v\":1,\"denied\":[\"d.com\"]}");
    }
    policy_free(p);
}

static void description(void **state)
{
    (void)state;
    struct error err;
    struct buf out;
    struct policy *p = make(&(struct spec){.handlers = "a b",
                                           .denied = "d.com",
                                           .offline = true,
                                           .hosts = "y.com *.z",
                                           .outbound = true});
    assert_int_equal(policy_set_by_host(p, over("x.com", "a", "{\"k\":1}"), &err), 0);
    buf_init(&out, 4096);
    assert_int_equal(policy_describe(p, &out, &err), 0);
    assert_span(buf_span(&out),
                "\"class\":\"Box\",\"internet\":false,\"allowed\":null,\"denied\":[\"d.com\"],"
                "\"hosts\":[{\"host\":\"x.com\",\"method\":\"a\",\"params\":{\"k\":1}}],"
                "\"handler\":null,\"handlers\":[\"a\",\"b\"],"
                "\"outboundByHost\":[\"y.com\",\"*.z\"],\"outbound\":true");
    buf_free(&out);
    policy_free(p);
}

static int intercept(struct policy *p, bool tls, const char *match, const char *target)
{
    struct error err;
    return policy_intercept(p, &(struct policy_intercept){tls, span_str(match), span_str(target)},
                            &err);
}

/* Whose target answers for the host, "" for none. */
static const char *target_of(const struct policy *p, const char *host, uint16_t port)
{
    static char text[32];
    struct policy_verdict v = ask_kind(p, host, POLICY_REQUEST, port);
    snprintf(text, sizeof text, SPAN_FMT,
             SPAN_ARG(v.rule == POLICY_RULE_INTERCEPT ? v.params : span_of("", 0)));
    return text;
}

static void intercepts(void **state)
{
    (void)state;
    struct policy *p = make(&(struct spec){.allowed = "ok.com", .denied = "bad.com"});
    static const char *const wrong[] = {
        "",        ":80",       "a b",         "a.com:0", "a.com:65536",
        "a.com:x", "a.com:080", "10.0.0.0/33", "[::1",    "a/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (intercept(p, false, wrong[i], "t") >= 0) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
    assert_saved(p, "{\"v\":1}");
    assert_int_equal(intercept(p, false, "a.com", "1"), 0);
    assert_int_equal(intercept(p, false, "10.0.0.0/8:8080", "2"), 0);
    assert_int_equal(intercept(p, false, "111::", "3"), 0);
    assert_int_equal(intercept(p, true, "*.tls.com", "4"), 0);
    assert_int_equal(intercept(p, false, "[fd00::/8]:90", "5"), 0);
    assert_int_equal(intercept(p, false, "::/0", "6"), 0);
    assert_int_equal(intercept(p, false, "late.com", "7"), 0);
    assert_string_equal(target_of(p, "a.com", 80), "1");
    assert_string_equal(target_of(p, "a.com", 443), "");
    assert_string_equal(target_of(p, "a.com", 8080), "");
    assert_string_equal(target_of(p, "10.1.2.3", 8080), "2");
    assert_string_equal(target_of(p, "[111::]", 80), "3");
    assert_string_equal(target_of(p, "x.tls.com", 443), "4");
    assert_string_equal(target_of(p, "[fd00::1]", 90), "5");
    assert_string_equal(target_of(p, "late.com", 80), "6"); /* the first that was registered */
    assert_string_equal(target_of(p, "bad.com", 80), "");
    assert_int_equal(ask_kind(p, "bad.com", POLICY_REQUEST, 80).decision, POLICY_DENY);
    assert_int_equal(ask_kind(p, "ok.com", POLICY_TLS_TUNNEL, 443).rule, POLICY_RULE_ALLOWED_HOSTS);
    /* the same destination again: in place */
    assert_int_equal(intercept(p, false, "A.com:80", "8"), 0);
    assert_string_equal(target_of(p, "a.com", 80), "8");

    struct buf saved;
    struct error err;
    buf_init(&saved, POLICY_STATE_MAX);
    assert_int_equal(policy_state_save(p, &saved, &err), 0);
    struct policy *other = make(&(struct spec){0});
    assert_int_equal(policy_state_load(other, buf_span(&saved), &err), 0);
    struct policy *copy = policy_clone(other);
    assert_string_equal(target_of(copy, "10.1.2.3", 8080), "2");
    assert_true(policy_intercepts_clear(copy));
    assert_false(policy_intercepts_clear(copy));
    assert_string_equal(target_of(copy, "10.1.2.3", 8080), "");
    assert_saved(copy, "{\"v\":1}");
    buf_free(&saved);
    policy_free(copy);
    policy_free(other);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catch_all),
        cmocka_unit_test(by_host),
        cmocka_unit_test(by_hosts_is_all_or_nothing),
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_from_nothing),
        cmocka_unit_test(state_round_trip),
        cmocka_unit_test(bad_state_changes_nothing),
        cmocka_unit_test(description),
        cmocka_unit_test(intercepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
