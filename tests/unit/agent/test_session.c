/* Sessions: what one command leaves to the next, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "one.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void line(const char *text, const char *want)
{
    driver_shell(&d, NULL, text, &o);
    if (strcmp(o.out, want) != 0 || o.err[0] != '\0') {
        fail_msg("%s: %s%s", text, o.out, o.err);
    }
}

static void lines(const char *first, const char *how, int number)
{
    driver_shell(&d, NULL, first, &o);
    expect(how, number);
}

static void place_and_environment_stay(void **state)
{
    (void)state;
    char want[160];
    line("mkdir -p a/b; cd a/b; export ONE=1 TWO='2 3'; THREE=3", "");
    snprintf(want, sizeof want, "%s/a/b|1|2 3||1\n", d.dir);
    line("echo \"$PWD|$ONE|$TWO|$THREE|$OF_THE_SANDBOX\"", want);
    line("unset ONE; export -n TWO; cd ..", "");
    snprintf(want, sizeof want, "%s/a||%s/a/b\n", d.dir, d.dir);
    line("echo \"$PWD|$ONE$TWO|$OLDPWD\"; cd - >/dev/null", want);
    line("cd ..; cd ..; echo $SHLVL", "1\n");
    line("export NL=$'a\\nb' EMPTY=", "");
    line("printf '%s|%s' \"$NL\" \"${EMPTY-unset}\"", "a\nb|");
    line("unset NL EMPTY", "");
}

static void functions_stay(void **state)
{
    (void)state;
    line("greet() { echo \"hello ${1-nobody}\"; }; IFS=,; function two { greet two; }", "");
    line("greet you; two; trap 'greet end' EXIT", "hello you\nhello two\nhello end\n");
    line("printf 'sourced() { echo sourced; }\\n' > f.sh; . ./f.sh; exit 0", "");
    line("sourced; bash -c 'sourced; type -t trap'", "sourced\nsourced\nbuiltin\n");
    driver_shell(&d, "other", "greet", &o);
    assert_int_equal(o.number, 127);
    line("unset -f greet two sourced; rm f.sh # source", "");
    line("type greet two sourced 2>/dev/null; env | grep -c BASH_FUNC", "0\n");
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("delete", "other", "", ""), NULL));
}

/* However the shell ends. */
static void each_end_counts(void **state)
{
    (void)state;
    lines("export E=1; exit 3", "exit", 3);
    line("echo $E", "1\n");
    lines("export E=2; false", "exit", 1);
    line("echo $E", "2\n");
    lines("set -e; export E=3; false; echo no", "exit", 1);
    line("echo $E", "3\n");
    lines("export E=4; kill -TERM $$", "signal", SIGTERM);
    line("echo $E", "4\n");
    lines("export E=5; no-such-command", "exit", 127);
    assert_non_null(strstr(o.err, "no-such-command: command not found"));
    line("echo $E", "5\n");
    lines("set -u; export E=6; echo $no_such", "exit", 127);
    line("echo $E", "6\n");
    lines("export E=7; if then", "exit", 2);
    line("echo $E", "6\n"); /* nothing of it was run */
    lines("export E=8; trap 'exit 9' TERM; kill $$; sleep 5", "exit", 9);
    line("echo $E", "8\n");
    lines("export E=9; kill -KILL $$", "signal", SIGKILL);
    line("echo $E", "8\n"); /* there was no time */
    line("unset E", "");
}

static void traps_of_the_user_run(void **state)
{
    (void)state;
    line("trap 'echo bye $?' EXIT; export T=1; (exit 4)", "bye 4\n");
    assert_int_equal(o.number, 4);
    line("echo $T", "1\n");
    line("trap 'echo bye; exit 6' EXIT; export T=2; set -e; false", "bye\n");
    assert_int_equal(o.number, 6);
    line("echo $T", "2\n");
    line("trap 'echo one' EXIT; trap - EXIT; export T=3", "");
    line("echo $T", "3\n");
    line("(trap 'echo sub' EXIT; exit 1); echo $?", "sub\n1\n");
    line("trap 'echo int' INT; kill -INT $$; export T=4", "int\n");
    line("echo $T; unset T", "4\n");
}

static void a_folder_that_is_gone_is_no_trap(void **state)
{
    (void)state;
    char want[96];
    line("mkdir gone; cd gone; rmdir ../gone; export G=1", "");
    snprintf(want, sizeof want, "%s 1\n", d.dir);
    line("echo $PWD $G; unset G", want);
    line("mkdir gone; cd gone", "");
    driver_do(&d, &(struct ask){.argv = WORDS("rmdir", "gone")}, &o); /* not of the session */
    snprintf(want, sizeof want, "%s\n", d.dir);
    line("echo $PWD", want);
}

static void what_was_said_for_one_command_goes(void **state)
{
    (void)state;
    line("export KEPT=old OUT=1", "");
    struct ask ask = {.flags = "s",
                      .argv = WORDS("echo $KEPT $ONCE $OUT; export CHANGED=mine MORE=1; pwd"),
                      .env = WORDS("KEPT=new", "ONCE=1", "OUT", "CHANGED=theirs"),
                      .cwd = "/usr"};
    driver_do(&d, &ask, &o);
    assert_string_equal(o.out, "new 1\n/usr\n");
    char want[96];
    snprintf(want, sizeof want, "old||1|mine|1|%s\n", d.dir);
    line("echo \"$KEPT|$ONCE|$OUT|$CHANGED|$MORE|$PWD\"", want);
    line("unset KEPT OUT CHANGED MORE", "");
}

static void input_is_the_commands(void **state)
{
    (void)state;
    const struct ask ask = {.flags = "si",
                            .argv = WORDS("read first; cat; export R=$first"),
                            .input = "one\ntwo\n",
                            .input_len = 8};
    driver_do(&d, &ask, &o);
    assert_string_equal(o.out, "two\n");
    line("echo $R; unset R", "one\n");
}

static void sessions_are_apart(void **state)
{
    (void)state;
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("create", "other", "/usr", ""), NULL));
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("create", "other", "", ""), NULL));
    driver_shell(&d, "other", "pwd; cd /etc; export S=other", &o);
    assert_string_equal(o.out, "/usr\n");
    line("echo $S", "\n");
    driver_shell(&d, "other", "echo $S $PWD", &o);
    assert_string_equal(o.out, "other /etc\n");
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("list", "", "", ""), NULL));
    char want[160];
    snprintf(want, sizeof want,
             "[{\"name\":\"\",\"cwd\":\"%s\"},{\"name\":\"other\",\"cwd\":\"/etc\"}]", d.dir);
    assert_string_equal(driver_field(&d, 2), want);
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("set", "other", "/", ""), NULL));
    driver_shell(&d, "other", "echo $S $PWD", &o);
    assert_string_equal(o.out, "other /\n");
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("delete", "other", "", ""), NULL));
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("delete", "other", "", ""), NULL));
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("delete", "", "", ""), NULL));
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("dance", "", "", ""), NULL));
}

static void a_session_is_made_by_its_first_use(void **state)
{
    (void)state;
    driver_shell(&d, "used", "pwd; export U=1; cd /etc", &o);
    char want[96];
    snprintf(want, sizeof want, "%s\n", d.dir);
    assert_string_equal(o.out, want);
    driver_shell(&d, "used", "echo $U $PWD", &o);
    assert_string_equal(o.out, "1 /etc\n");
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("set", "told", "/usr", ""), NULL));
    driver_shell(&d, "told", "pwd", &o);
    assert_string_equal(o.out, "/usr\n");
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("create", "used", "", ""), NULL));
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("delete", "used", "", ""), NULL));
    assert_true(driver_call(&d, AGENT_SESSION, WORDS("delete", "told", "", ""), NULL));
}

static void sessions_have_a_ceiling(void **state)
{
    (void)state;
    char name[32];
    size_t made = 0;
    for (;; made++) {
        snprintf(name, sizeof name, "s%zu", made);
        if (!driver_call(&d, AGENT_SESSION, WORDS("create", name, "", ""), NULL)) {
            break;
        }
    }
    assert_int_equal(made, 255);
    assert_non_null(strstr(driver_field(&d, 2), "too many"));
    assert_false(driver_call(&d, AGENT_SESSION, WORDS("set", "more", "", ""), NULL));
    driver_do(&d, &(struct ask){.flags = "s", .session = "more", .argv = WORDS("true")}, &o);
    assert_int_equal(o.status, 125);
    assert_non_null(strstr(o.why, "too many"));
    while (made-- > 0) {
        snprintf(name, sizeof name, "s%zu", made);
        assert_true(driver_call(&d, AGENT_SESSION, WORDS("delete", name, "", ""), NULL));
    }
}

/* Two at once in one session: the last to end wins. */
static void the_last_to_end_wins(void **state)
{
    (void)state;
    int hold[2];
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const int fds[3] = {hold[0], null, dup(null)};
    const struct ask slow = {.flags = "si", .argv = WORDS("export L=slow; read x")};
    driver_run(&d, &slow, fds, 3);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    line("export L=fast", "");
    line("echo $L", "fast\n");
    close(hold[1]);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_EXITED);
    line("echo $L; unset L", "slow\n");
}

/* More than the ceiling is not taken; what was there stays. */
static void environments_have_a_ceiling(void **state)
{
    (void)state;
    line("export C=1", "");
    driver_shell(&d, NULL,
                 "big=$(printf '%0100000d' 1); for i in 1 2 3 4 5 6 7 8 9 10 11 12; do export "
                 "B$i=$big; done; export C=2",
                 &o);
    line("echo $C ${#B1}; unset C", "1 0\n");
}

static void a_signal_of_a_stranger_does_nothing(void **state)
{
    (void)state;
    char script[128];
    snprintf(script, sizeof script, "export X=1; /usr/bin/env kill -%d %d; kill -%d %d",
             SIGRTMIN + 1, d.pid, SIGRTMIN + 1, d.pid);
    driver_do(&d, &(struct ask){.argv = WORDS("sh", "-c", script)}, &o);
    line("echo $X", "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place_and_environment_stay),
        cmocka_unit_test(functions_stay),
        cmocka_unit_test(each_end_counts),
        cmocka_unit_test(traps_of_the_user_run),
        cmocka_unit_test(a_folder_that_is_gone_is_no_trap),
        cmocka_unit_test(what_was_said_for_one_command_goes),
        cmocka_unit_test(input_is_the_commands),
        cmocka_unit_test(sessions_are_apart),
        cmocka_unit_test(a_session_is_made_by_its_first_use),
        cmocka_unit_test(sessions_have_a_ceiling),
        cmocka_unit_test(the_last_to_end_wins),
        cmocka_unit_test(environments_have_a_ceiling),
        cmocka_unit_test(a_signal_of_a_stranger_does_nothing),
    };
    return cmocka_run_group_tests(tests, one_start, one_end);
}
