/* The spec is taken whole or refused with the key that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launcher/spec.h"

#include <string.h>

static void whole_spec_is_read(void **state)
{
    (void)state;
    struct spec s;
    struct error err;
    const struct span text =
        SPAN_LIT("{\"id\":\"a-1\",\"env\":[\"A=b=c\"],\"cwd\":\"/w\","
                 "\"binds\":[{\"src\":\"/s\",\"dst\":\"/d\",\"ro\":true},{\"src\":\"/t\",\"dst\":"
                 "\"/t\"}],\"masks\":[\"*/x\"],\"masked\":[\"/m\"],\"readonly\":[\"/r\"],"
                 "\"writable\":[\"/w/.git/hooks\"],\"state_dirs\":[\"/v\"],\"home\":null,"
                 "\"workspace\":true,\"uid\":7,\"gid\":8}");
    assert_int_equal(spec_parse(text, &s, &err), 0);
    assert_string_equal(s.hostname, "a-1");
    assert_int_equal(s.bind_count, 2);
    assert_true(s.binds[0].readonly);
    assert_false(s.binds[1].readonly);
    assert_null(s.home);
    assert_true(s.workspace);
    assert_int_equal(s.uid, 7);
    spec_free(&s);
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } table[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "\"id\""},
        {"{\"id\":\"a/b\",\"cwd\":\"/\"}", "\"id\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"argv\":[\"x\"]}", "\"argv\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"workspace\":1}", "\"workspace\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"env\":[1]}", "\"env\""},
        {"{\"id\":\"a\"}", "\"cwd\""},
        {"{\"id\":\"a\",\"cwd\":\"rel\"}", "\"cwd\""},
        {"{\"id\":\"a\\u0000b\",\"cwd\":\"/\"}", ""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"env\":[\"NO\"]}", "\"env\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"env\":[\"=x\"]}", "\"env\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"uid\":0}", "\"uid\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"uid\":4294967295}", "\"uid\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"binds\":[{\"src\":\"/s\"}]}", "\"binds\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"binds\":[{\"src\":\"/s\",\"dst\":\"/s\","
         "\"rw\":1}]}",
         "\"rw\""},
        {"{\"id\":\"a\",\"cwd\":\"/\",\"unknown\":1}", "\"unknown\""},
        {"{\"id\":\"a\",\"id\":\"b\",\"cwd\":\"/\"}", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct spec s;
        struct error err;
        assert_true(spec_parse(span_str(table[i].text), &s, &err) < 0);
        assert_non_null(strstr(err.text, table[i].why));
        spec_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_spec_is_read),
                                       cmocka_unit_test(bad_specs_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
