/* config: JSONC and dotenv, as text. */
#include "base/cleanup.h"
#include "config/dotenv.h"
#include "config/jsonc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_jsonc_fails(const char *text, const char *expected)
{
    struct jsonc doc;
    struct error err;
    assert_int_equal(jsonc_parse("f", span_str(text), &doc, &err), -1);
    assert_string_equal(err.text, expected);
}

static void jsonc_reads_comments_and_trailing_commas(void **state)
{
    (void)state;
    const char *text =
        "// head\n{ /* a\n b */ \"url\": \"http://x/*y*/\", \"a\": [1, 2, ], // t\n }\n";
    struct jsonc doc;
    struct error err;
    assert_int_equal(jsonc_parse("f", span_str(text), &doc, &err), 0);
    assert_int_equal(doc.len, strlen(text));
    assert_string_equal(json_string_value(json_object_get(doc.root, "url")), "http://x/*y*/");
    assert_int_equal(json_array_size(json_object_get(doc.root, "a")), 2);
    jsonc_free(&doc);
}

static void jsonc_errors_have_a_place(void **state)
{
    (void)state;
    assert_jsonc_fails("{\n  \"a\": tru\n}", "f:2:8: expected JSON: invalid token near 'tru'");
    assert_jsonc_fails("{\n \"a\" 1\n}", "f:2:6: expected ':' before '1'");
    assert_jsonc_fails("{ \"a\": 1, \"a\": 2 }", "f:1:11: a key stands twice in one object");
    assert_jsonc_fails("{ /* x", "f:1:3: expected */ at the end of this comment");
    assert_jsonc_fails("[1]", "f:1:1: expected an object: { … }");
    assert_jsonc_fails("{", "f:1:2: expected more: the file ends too early");
    assert_jsonc_fails("{} x", "f:1:4: expected the end of the file");
    assert_jsonc_fails("{\"a\":[,]}", "f:1:7: expected JSON: unexpected token near ','");
    assert_jsonc_fails("{\"a\":,}", "f:1:6: expected JSON: unexpected token near ','");
}

static void jsonc_locates_values(void **state)
{
    (void)state;
    const char *text = "{ \"a,}\": {\"x\": \"]\"},\n  \"b\": [ {}, {\"k\\u0065y\": 7} ] }";
    struct jsonc doc;
    struct error err;
    assert_int_equal(jsonc_parse("f", span_str(text), &doc, &err), 0);
    struct jsonc_step steps[] = {{.key = "b"}, {.index = 1}, {.key = "key"}, {.key = "none"}};
    assert_int_equal(jsonc_locate(&doc, steps, 3), strchr(text, '7') - text);
    assert_int_equal(jsonc_locate(&doc, steps, 4), strchr(text, '7') - text);
    assert_int_equal(jsonc_error(&doc, steps, 1, &err, "no"), -1);
    assert_string_equal(err.text, "f:2:8: no");
    jsonc_free(&doc);
}

static void jsonc_does_not_nest_for_ever(void **state)
{
    (void)state;
    char deep[4096] = "{\"a\":";
    memset(deep + 5, '[', 4000);
    struct jsonc doc;
    struct error err;
    assert_int_equal(jsonc_parse("f", span_str(deep), &doc, &err), -1);
    assert_string_equal(err.text, "f:1:37: nested too deep");
}

static const char *value_of(const struct secrets *s, const char *name)
{
    const struct spec_secret *found = secrets_find(s, name);
    return found != NULL ? found->value : NULL;
}

static void dotenv_reads_every_form(void **state)
{
    (void)state;
    const char *text = "# c\r\n"
                       "A=plain value # comment\r\n"
                       "export B = 'single $x \\n' # c\n"
                       "C=\"tab\\there \\\"q\\\"\"\n"
                       "D=`back \"tick\"`\n"
                       "E: colon\n"
                       "F=a#b\n"
                       "EMPTY=\n"
                       "PEM=\"-----BEGIN\\nab\ncd\"\n"
                       "A=again";
    struct secrets s = {NULL, 0};
    struct error err;
    assert_int_equal(dotenv_parse("f", span_str(text), &s, &err), 0);
    assert_int_equal(s.count, 8);
    assert_string_equal(value_of(&s, "PEM"), "-----BEGIN\nab\ncd");
    assert_string_equal(value_of(&s, "A"), "again");
    assert_string_equal(value_of(&s, "B"), "single $x \\n");
    assert_string_equal(value_of(&s, "C"), "tab\there \"q\"");
    assert_string_equal(value_of(&s, "D"), "back \"tick\"");
    assert_string_equal(value_of(&s, "E"), "colon");
    assert_string_equal(value_of(&s, "F"), "a#b");
    assert_string_equal(value_of(&s, "EMPTY"), "");
    secrets_free(&s);
}

static void assert_dotenv_fails(const char *text, const char *expected)
{
    struct secrets s = {NULL, 0};
    struct error err;
    assert_true(dotenv_parse("f", span_str(text), &s, &err) < 0);
    assert_string_equal(err.text, expected);
    secrets_free(&s);
}

static void dotenv_refuses_what_no_header_carries(void **state)
{
    (void)state;
    assert_dotenv_fails("A=1\nB=\"top\n\x01secret\"\n",
                        "f:2: secret B: the value holds a control byte: encode it, as base64 "
                        "for one");
    assert_dotenv_fails("A=x\x01y",
                        "f:1: secret A: the value holds a control byte: encode it, as base64 "
                        "for one");
    assert_dotenv_fails("A=\xff",
                        "f:1: secret A: the value is not UTF-8 text: encode it, as base64 "
                        "for one");
    assert_dotenv_fails("\n\nnonsense\n", "f:3: expected NAME=VALUE");
    assert_dotenv_fails("A='x", "f:1: expected the closing quote of this value");
    assert_dotenv_fails("A='x' y", "f:1: expected the end of the line after the closing quote");
    assert_dotenv_fails("A-B=x", "f:1: secret \"A-B\": not a name: use letters, digits and _, at "
                                 "most 128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jsonc_reads_comments_and_trailing_commas),
        cmocka_unit_test(jsonc_errors_have_a_place),
        cmocka_unit_test(jsonc_locates_values),
        cmocka_unit_test(jsonc_does_not_nest_for_ever),
        cmocka_unit_test(dotenv_reads_every_form),
        cmocka_unit_test(dotenv_refuses_what_no_header_carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
