/* The frames of an exec, as either end reads them. */
#include "proto/exec/exec_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_client_s_frames_are_checked(void **state)
{
    (void)state;
    struct exec_frame f;
    size_t size;
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\0\0\0"), EXEC_CLIENT, &f, &size), 0);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\0\0\0\3ab"), EXEC_CLIENT, &f, &size), 0);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\0\0\0\2abc"), EXEC_CLIENT, &f, &size), 1);
    assert_int_equal(size, 10);
    assert_true(span_eq(f.payload, SPAN_LIT("ab")));
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\0\1\0\1"), EXEC_CLIENT, &f, &size),
                     -1); /* 65,537 */
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\xff\xff\xff\xff"), EXEC_CLIENT, &f, &size),
                     -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\1\0\0\0\0\0\0"), EXEC_CLIENT, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\1\0\0\0\0\0\0\0"), EXEC_CLIENT, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\5\0\0\0\0\0\0\3abc"), EXEC_CLIENT, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\6\0\0\0\0\0\0\2ab"), EXEC_CLIENT, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\6\0\0\0\0\0\0\1\17"), EXEC_CLIENT, &f, &size), 1);
}

static void a_server_s_frames_are_checked(void **state)
{
    (void)state;
    struct exec_frame f;
    size_t size;
    assert_int_equal(exec_frame_parse(SPAN_LIT("\1\0\0\0\0\0\0\3ab"), EXEC_SERVER, &f, &size), 0);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\1\0\0\0\0\0\0\2abc"), EXEC_SERVER, &f, &size), 1);
    assert_int_equal(f.type, EXEC_STDOUT);
    assert_true(span_eq(f.payload, SPAN_LIT("ab")));
    assert_int_equal(exec_frame_parse(SPAN_LIT("\2\0\0\0\0\0\0\0"), EXEC_SERVER, &f, &size), 1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\3\0\0\0\0\0\0\2\0\7"), EXEC_SERVER, &f, &size), 1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\4\0\0\0\0\0\0\4abcd"), EXEC_SERVER, &f, &size), 1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\1\0\0\0\0\1\0\1"), EXEC_SERVER, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\3\0\0\0\0\0\0\1\0"), EXEC_SERVER, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\4\0\0\0\0\0\0\5abcde"), EXEC_SERVER, &f, &size),
                     -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\0\0\0\0\0\0\0\0"), EXEC_SERVER, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\7\0\0\0\0\0\0\0"), EXEC_SERVER, &f, &size), -1);
    assert_int_equal(exec_frame_parse(SPAN_LIT("\1\0\0\1\0\0\0\0"), EXEC_SERVER, &f, &size), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_s_frames_are_checked),
        cmocka_unit_test(a_server_s_frames_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
