/* The truth table, the glob table and the order of the rules. */
#include "fixture.h"

static void expect(const struct spec *s, const char *host, enum policy_decision decision,
                   enum policy_rule rule, const char *pattern)
{
    struct error err;
    struct policy *p = policy_of(s, &err);
    assert_non_null(p);
    struct policy_verdict v = ask(p, host);
    if (v.decision != decision || v.rule != rule) {
        fail_msg("%s: decision %d by %s", host, v.decision, policy_rule_name(v.rule));
    }
    assert_span(v.pattern, pattern);
    assert_true((v.reason != NULL) == (decision == POLICY_DENY));
    policy_free(p);
}

static void truth_table(void **state)
{
    (void)state;
    const char *h = "api.example.com";
    struct spec s = {.denied = "*.example.com", .allowed = h, .hosts = h, .outbound = true};
    expect(&s, h, POLICY_DENY, POLICY_RULE_DENIED_HOSTS, "*.example.com");
    s = (struct spec){.allowed = "other.com", .hosts = h, .outbound = true};
    expect(&s, h, POLICY_DENY, POLICY_RULE_ALLOWED_HOSTS, "");
    s = (struct spec){.allowed = "", .hosts = h, .outbound = true};
    expect(&s, h, POLICY_DENY, POLICY_RULE_ALLOWED_HOSTS, "");
    s = (struct spec){.hosts = h, .outbound = true, .offline = true};
    expect(&s, h, POLICY_HANDLER, POLICY_RULE_OUTBOUND_BY_HOST, h);
    s = (struct spec){.allowed = h, .hosts = "*.com", .outbound = true};
    expect(&s, h, POLICY_HANDLER, POLICY_RULE_OUTBOUND_BY_HOST, "*.com");
    s = (struct spec){.outbound = true, .offline = true};
    expect(&s, h, POLICY_HANDLER, POLICY_RULE_OUTBOUND, "");
    s = (struct spec){.allowed = "*", .outbound = true, .offline = true};
    expect(&s, h, POLICY_HANDLER, POLICY_RULE_OUTBOUND, "");
    s = (struct spec){.allowed = "a.com *.example.com", .offline = true};
    expect(&s, h, POLICY_ALLOW, POLICY_RULE_ALLOWED_HOSTS, "*.example.com");
    s = (struct spec){0};
    expect(&s, h, POLICY_ALLOW, POLICY_RULE_ENABLE_INTERNET, "");
    s = (struct spec){.offline = true};
    expect(&s, h, POLICY_DENY, POLICY_RULE_ENABLE_INTERNET, "");
}

static void glob_table(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *host;
        bool match;
    } rows[] = {
        {"example.com", "example.com", true},
        {"example.com", "sub.example.com", false},
        {"*.example.com", "example.com", false},
        {"*.example.com", "api.example.com", true},
        {"*.example.com", "a.b.example.com", true},
        {"*.example.com", "evilexample.com", false},
        {"*.example.com", "example.com.evil.com", false},
        {"*example.com", "badexample.com", true},
        {"google.*", "google.com", true},
        {"google.*", "google.co.uk", true},
        {"google.*", "google.evil.com", true},
        {"api.*.com", "api.stripe.com", true},
        {"api.*.com", "api.stripe.co.uk", false},
        {"*", "anything", true},
        {"**", "anything", true},
        {"a*a", "a", false},
        {"a*a", "aa", true},
        {"a*b*c", "aXbXc", true},
        {"a*b*c", "acb", false},
        {"*ab*ab", "ab", false},
        {"*ab*ab", "abab", true},
        {"10.0.0.*", "10.0.0.7", true},
        {"10.0.0.0/8", "10.0.0.7", true},
        {"10.0.0.0/8", "11.0.0.7", false},
        {"10.0.0.0/8", "ten.example.com", false},
        {"141.101.64.0/18", "141.101.127.9", true},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "::1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"fd00::/8", "[fd12::1]", true},
        {"fd00::/8", "[fe80::1]", false},
        {"Example.com", "example.com", true},
        {"example.com.", "example.com", true},
        {"example.com", "EXAMPLE.com.", true},
        {"*.", "example.com", false},
        {"*.Example.COM.", "a.example.com", true},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", true},
        {"*.b\xc3\xbc"
         "cher.example",
         "a.xn--bcher-kva.example", true},
        {"xn--bcher-kva.example",
         "B\xc3\x9c"
         "CHER.example",
         true},
        {"::1", "[0:0::1]", true},
        {"[::1]", "::1", true},
        {"[fd00:*", "[fd00::7]", true},
        {"127.0.0.1", "0x7f.1", true},
        {"0x7f000001", "127.0.0.1", true},
        {"constructor", "constructor", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err;
        struct policy *p = policy_of(&(struct spec){.denied = rows[i].pattern}, &err);
        if (p == NULL) {
            fail_msg("%s: %s", rows[i].pattern, err.text);
        }
        struct policy_verdict v = ask(p, rows[i].host);
        if ((v.decision == POLICY_DENY) != rows[i].match) {
            fail_msg("%s against %s", rows[i].pattern, rows[i].host);
        }
        policy_free(p);
    }
}

/* An object's inherited keys are not rules. */
static void own_keys_only(void **state)
{
    (void)state;
    struct spec s = {.hosts = "api.example.com", .offline = true};
    expect(&s, "constructor", POLICY_DENY, POLICY_RULE_ENABLE_INTERNET, "");
    expect(&s, "tostring", POLICY_DENY, POLICY_RULE_ENABLE_INTERNET, "");
    expect(&s, "__proto__", POLICY_DENY, POLICY_RULE_ENABLE_INTERNET, "");
}

static void exact_before_glob_in_order(void **state)
{
    (void)state;
    struct spec s = {.hosts = "*.example.com api.* api.example.com"};
    struct error err;
    struct policy *p = policy_of(&s, &err);
    assert_int_equal(ask(p, "api.example.com").index, 2);
    assert_int_equal(ask(p, "www.example.com").index, 0);
    assert_int_equal(ask(p, "api.other.com").index, 1);
    policy_free(p);
}

/* An IPv6 literal that means a denied IPv4 address does not slip by. */
static void denied_embedded_ipv4(void **state)
{
    (void)state;
    struct spec s = {.denied = "10.0.0.0/8 8.8.8.8"};
    expect(&s, "[::ffff:8.8.8.8]", POLICY_DENY, POLICY_RULE_DENIED_HOSTS, "8.8.8.8");
    expect(&s, "[64:ff9b::808:808]", POLICY_DENY, POLICY_RULE_DENIED_HOSTS, "8.8.8.8");
    expect(&s, "[2002:a01:203::]", POLICY_DENY, POLICY_RULE_DENIED_HOSTS, "10.0.0.0/8");
    expect(&s, "[2600::1]", POLICY_ALLOW, POLICY_RULE_ENABLE_INTERNET, "");
}

static void tunnels(void **state)
{
    (void)state;
    struct error err;
    struct policy *p =
        policy_of(&(struct spec){.denied = "bad.com",
                                 .allowed = "ok.com bad.com",
                                 .hosts = "ok.com",
                                 .outbound = true,
                                 .tcp = "github.com:22 *.db.internal:5432 bad.com:22"},
                  &err);
    assert_non_null(p);
    assert_int_equal(ask_kind(p, "ok.com", POLICY_TLS_TUNNEL, 443).decision, POLICY_ALLOW);
    assert_int_equal(ask_kind(p, "ok.com", POLICY_TLS_TUNNEL, 443).rule, POLICY_RULE_ALLOWED_HOSTS);
    assert_int_equal(ask_kind(p, "no.com", POLICY_TLS_TUNNEL, 443).decision, POLICY_DENY);
    assert_int_equal(ask_kind(p, "github.com", POLICY_TCP_TUNNEL, 22).decision, POLICY_ALLOW);
    assert_span(ask_kind(p, "a.db.internal", POLICY_TCP_TUNNEL, 5432).pattern,
                "*.db.internal:5432");
    assert_int_equal(ask_kind(p, "github.com", POLICY_TCP_TUNNEL, 2222).decision, POLICY_DENY);
    assert_int_equal(ask_kind(p, "ok.com", POLICY_TCP_TUNNEL, 22).rule, POLICY_RULE_ALLOWED_TCP);
    assert_int_equal(ask_kind(p, "bad.com", POLICY_TCP_TUNNEL, 22).rule, POLICY_RULE_DENIED_HOSTS);
    policy_free(p);
}

static void refused_patterns(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "a b.com",    "a\tb",         "a\n",        "a\x7f",     "http://a.b/",
        "a.com:80", "user@a.com", "a.com/x",      "1.2.3.4/33", "1.2.3.4/",  "1.2.3/8",
        "a?.com",   "fd00::/129", "[fd00::1]:80", "a%2eb",      "\xff\xfe.a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error err = {0};
        assert_true(policy_pattern_check(span_str(bad[i]), &err) < 0);
        assert_non_null(strstr(err.text, "host pattern"));
        assert_null(strpbrk(err.text, "\n\t"));
    }
    struct error err;
    assert_true(policy_pattern_check(span_of("a\0b", 3), &err) < 0);
    assert_null(policy_of(&(struct spec){.hosts = "10.0.0.0/8"}, &err));
    assert_non_null(strstr(err.text, "outboundByHost: "));
    assert_null(policy_of(&(struct spec){.tcp = "github.com"}, &err));
    assert_null(policy_of(&(struct spec){.tcp = "github.com:0"}, &err));
    assert_null(policy_of(&(struct spec){.tcp = "github.com:65536"}, &err));
}

/* A pattern made to be slow against a name made for it. */
static void linear_glob(void **state)
{
    (void)state;
    char pattern[1001];
    char host[254];
    for (size_t i = 0; i + 1 < sizeof pattern; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    pattern[sizeof pattern - 1] = '\0';
    for (size_t i = 0; i + 1 < sizeof host; i++) {
        host[i] = i % 60 == 59 ? '.' : 'a';
    }
    host[sizeof host - 1] = '\0';
    struct spec s = {.denied = pattern};
    expect(&s, host, POLICY_ALLOW, POLICY_RULE_ENABLE_INTERNET, "");
}

static void pattern_sets(void **state)
{
    (void)state;
    struct words w;
    struct error err;
    struct url_host h;
    struct policy_set *s = policy_set_create(words_split(&w, "*.a.com b.com 10.0.0.0/8"), &err);
    assert_true(url_host_canonical(SPAN_LIT("B.com."), &h));
    assert_int_equal(policy_set_match(s, &h), 1);
    assert_true(url_host_canonical(SPAN_LIT("10.9.9.9"), &h));
    assert_int_equal(policy_set_match(s, &h), 2);
    assert_true(url_host_canonical(SPAN_LIT("a.com"), &h));
    assert_true(policy_set_match(s, &h) == POLICY_NO_INDEX);
    policy_set_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_table),          cmocka_unit_test(glob_table),
        cmocka_unit_test(own_keys_only),        cmocka_unit_test(exact_before_glob_in_order),
        cmocka_unit_test(denied_embedded_ipv4), cmocka_unit_test(tunnels),
        cmocka_unit_test(refused_patterns),     cmocka_unit_test(linear_glob),
        cmocka_unit_test(pattern_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
