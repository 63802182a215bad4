/* The file call `watch`: real folders, real inotify, one agent for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/folders.h"
#include "agent/glob.h"
#include "base/cleanup.h"
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define OUT_BYTES   (4u * 1024u * 1024u)

static struct driver d;

/* One watch: what it wrote so far, as text. */
static struct seen {
    uint32_t number;
    int out, err;
    pid_t pid;
    size_t len;
    char text[OUT_BYTES];
} s;

static int start(void **state)
{
    (void)state;
    driver_start(&d);
    return 0;
}

static int end(void **state)
{
    (void)state;
    driver_end(&d);
    return 0;
}

/* ---- a watch ---- */

static bool read_more(void)
{
    struct pollfd ready = {.fd = s.out, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    assert_true(s.len < sizeof s.text - 1);
    const ssize_t n = read(s.out, s.text + s.len, sizeof s.text - 1 - s.len);
    s.len += n > 0 ? (size_t)n : 0;
    s.text[s.len] = '\0';
    return n > 0;
}

/* Until it has said that; what comes is kept. */
static void hear(const char *text)
{
    while (strstr(s.text, text) == NULL) {
        if (!read_more()) {
            fail_msg("it ended without \"%s\": %s", text, s.text);
        }
    }
}

static void hear_event(const char *event, const char *name, bool folder)
{
    char line[512];
    snprintf(line, sizeof line, "{\"path\":\"%s/%s\",\"event\":\"%s\",\"folder\":%s}\n", d.dir,
             name, event, folder ? "true" : "false");
    hear(line);
}

static void not_heard(const char *text)
{
    if (strstr(s.text, text) != NULL) {
        fail_msg("\"%s\" in %s", text, s.text);
    }
}

static void begin(const char *const *argv)
{
    int out[2];
    int err[2];
    assert_int_equal(pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    const int fds[2] = {out[1], err[1]};
    const struct ask ask = {.flags = "f", .argv = argv};
    s.number = driver_run(&d, &ask, fds, 2);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    s.pid = atoi(driver_field(&d, 1));
    s.out = out[0];
    s.err = err[0];
    s.len = 0;
    s.text[0] = '\0';
}

static void watch(const char *const *argv)
{
    begin(argv);
    hear("\n");
    assert_int_equal(strncmp(s.text, "{\"watching\":\"", 13), 0);
}

/* It has ended or does so because nobody reads. */
static void over(int status)
{
    close_fd(&s.out);
    close_fd(&s.err);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_EXITED);
    assert_string_equal(driver_field(&d, 1), "exit");
    assert_int_equal(atoi(driver_field(&d, 2)), status);
}

static void ask_it(void)
{
    char number[16];
    snprintf(number, sizeof number, "%u", s.number);
    const struct span fields[] = {span_str(number), SPAN_LIT("10")};
    s.len = 0;
    s.text[0] = '\0';
    assert_int_equal(ipc_send_blocking(d.socket, AGENT_SIGNAL, fields, 2, NULL, 0, NULL), 0);
    hear("\n");
}

/* ---- what happens ---- */

static const char *in(const char *name)
{
    static char paths[4][256];
    static size_t at;
    char *path = paths[++at % 4];
    snprintf(path, sizeof paths[0], "%s/%s", d.dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    const int fd = open(in(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make(const char *name)
{
    assert_int_equal(mkdir(in(name), 0700), 0);
}

static void shell(const char *line)
{
    static struct outcome o;
    driver_shell(&d, NULL, line, &o);
    assert_int_equal(o.number, 0);
}

static void events_have_paths(void **state)
{
    (void)state;
    put("old", "x");
    watch(WORDS("watch", d.dir));
    put("new", "x");
    hear_event("create", "new", false);
    hear_event("modify", "new", false);
    put("old", "y");
    hear_event("modify", "old", false);
    assert_int_equal(rename(in("old"), in("renamed")), 0);
    hear_event("move_from", "old", false);
    hear_event("move_to", "renamed", false);
    assert_true(strstr(s.text, "move_from") < strstr(s.text, "move_to"));
    assert_int_equal(unlink(in("renamed")), 0);
    hear_event("delete", "renamed", false);
    make("folder");
    hear_event("create", "folder", true);
    put("folder/below", "x"); /* it is not recursive */
    assert_int_equal(rmdir(in("folder")), -1);
    put("last", "");
    hear_event("create", "last", false);
    not_heard("below");
    over(0);
    shell("rm -r new folder last");
}

/* As a cwd sees it, by its text; a file alone; a name that is no UTF-8 and one that is no JSON. */
static void paths_are_whole(void **state)
{
    (void)state;
    char root[256];
    watch(WORDS("watch", "x/.././/"));
    snprintf(root, sizeof root, "{\"watching\":\"%s\"}\n", d.dir);
    assert_string_equal(s.text, root);
    put("a\xff\"b", "");
    hear("a\\ufffd\\\"b\"");
    over(0);
}

static void new_folders_are_watched(void **state)
{
    (void)state;
    char name[64];
    make("r");
    watch(WORDS("watch", "r", "recursive"));
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "r/%d", i);
        make(name);
        snprintf(name, sizeof name, "r/%d/deep", i);
        make(name);
        snprintf(name, sizeof name, "r/%d/deep/file", i);
        put(name, "");
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "r/%d/deep/file", i);
        hear_event("create", name, false);
    }
    for (int i = 0; i < 200; i++) { /* a folder is told once */
        snprintf(name, sizeof name, "/%d/deep\"", i);
        const char *first = strstr(s.text, name);
        assert_non_null(first);
        assert_null(strstr(first + 1, name));
    }
    put("r/7/deep/late", "");
    hear_event("create", "r/7/deep/late", false);
    over(0);
    shell("rm -r r");
}

static void folders_keep_their_watch_when_they_move(void **state)
{
    (void)state;
    shell("mkdir -p m/a/b out");
    watch(WORDS("watch", "m", "recursive"));
    assert_int_equal(rename(in("m/a"), in("m/z")), 0);
    hear_event("move_to", "m/z", true);
    put("m/z/b/f", "");
    hear_event("create", "m/z/b/f", false);
    /* Out of it: what happens there is not told, under no name. */
    assert_int_equal(rename(in("m/z/b"), in("out/b")), 0);
    hear_event("move_from", "m/z/b", true);
    put("out/b/unseen", "");
    put("m/seen", "");
    hear_event("create", "m/seen", false);
    not_heard("unseen");
    /* One that comes from elsewhere is told with what it holds. */
    shell("mkdir -p out/c/d; touch out/c/d/held");
    assert_int_equal(rename(in("out/c"), in("m/c")), 0);
    hear_event("move_to", "m/c", true);
    hear_event("create", "m/c/d", true);
    hear_event("create", "m/c/d/held", false);
    /* Told by a listing, and moved: that is told too. */
    assert_int_equal(rename(in("m/c/d"), in("m/d")), 0);
    hear_event("move_to", "m/d", true);
    put("m/d/again", "");
    hear_event("create", "m/d/again", false);
    over(0);
    shell("rm -r m out");
}

static void symlinks_are_not_followed(void **state)
{
    (void)state;
    shell("mkdir -p l/sub away; ln -s ../away l/before");
    watch(WORDS("watch", "l", "recursive"));
    assert_int_equal(symlink(in("away"), in("l/after")), 0);
    hear_event("create", "l/after", false);
    put("away/f", "");
    put("l/sub/g", "");
    hear_event("create", "l/sub/g", false);
    not_heard("/f\"");
    over(0);
    shell("rm -r l away");
}

static void patterns_choose(void **state)
{
    (void)state;
    shell("mkdir -p p/src/node_modules p/lib");
    watch(WORDS("watch", "p", "recursive", "exclude", "node_modules", "*.log"));
    put("p/src/node_modules/x", "");
    put("p/a.log", "");
    make("p/node_modules");
    put("p/node_modules/y", "");
    put("p/lib/z", "");
    hear_event("create", "p/lib/z", false);
    not_heard("node_modules");
    not_heard("a.log");
    over(0);
    watch(WORDS("watch", "p", "recursive", "include", "*.ts"));
    put("p/lib/a.js", "");
    put("p/lib/a.ts", "");
    hear_event("create", "p/lib/a.ts", false);
    not_heard("a.js");
    over(0);
    shell("rm -r p");
}

static void counts_when_it_is_asked(void **state)
{
    (void)state;
    make("c");
    watch(WORDS("watch", "c", "recursive", "count", "exclude", "no"));
    ask_it();
    assert_string_equal(s.text, "{\"count\":\"0\"}\n");
    for (int i = 0; i < 50; i++) { /* what is done before a question is in its answer */
        char wanted[64];
        char name[16];
        snprintf(name, sizeof name, "c/%d", i);
        put(name, "");
        put("c/no", "x");
        ask_it();
        snprintf(wanted, sizeof wanted, "{\"count\":\"%d\"}\n", i + 1);
        assert_string_equal(s.text, wanted);
    }
    over(0);
    shell("rm -r c");
}

static void ends_with_what_it_watches(void **state)
{
    (void)state;
    make("gone");
    watch(WORDS("watch", "gone", "recursive"));
    assert_int_equal(rmdir(in("gone")), 0);
    hear("{\"stopped\":\"what was watched is gone\"}\n");
    assert_false(read_more());
    over(0);
    make("moved");
    watch(WORDS("watch", "moved"));
    assert_int_equal(rename(in("moved"), in("elsewhere")), 0);
    hear("{\"stopped\":");
    over(0);
    shell("rm -r elsewhere");
}

static void refuses_what_is_not_there(void **state)
{
    (void)state;
    static struct outcome o;
    const struct ask ask = {.flags = "f", .argv = WORDS("watch", "nowhere/at/all")};
    driver_do(&d, &ask, &o);
    assert_int_equal(o.number, 1);
    assert_string_equal(o.out, "");
    assert_string_equal(o.err, "ENOENT: nowhere/at/all: No such file or directory\n");
}

/* ---- ceilings ---- */

static void folders_have_a_ceiling(void **state)
{
    (void)state;
    char dir[] = "/dev/shm/agent-test-XXXXXX";
    char line[256];
    assert_non_null(mkdtemp(dir));
    snprintf(line, sizeof line, "cd %s && mkdir -p of/them $(seq 16381) && cd -", dir);
    shell(line);
    watch(WORDS("watch", dir, "recursive"));
    snprintf(line, sizeof line, "%s/of/them/too", dir);
    assert_int_equal(mkdir(line, 0700), 0); /* with the root the 16385th */
    hear("{\"error\":\"too many folders");
    assert_false(read_more());
    over(0);
    snprintf(line, sizeof line, "rm -r %s", dir);
    shell(line);
}

static size_t resident_kb(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Nobody reads while more happens than fits anywhere: it holds a fixed amount, and says what is so.
 */
static void lost_events_are_told(void **state)
{
    (void)state;
    make("flood");
    watch(WORDS("watch", "flood", "recursive"));
    const size_t before = resident_kb(s.pid);
    const int a = open(in("flood/a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const int b = open(in("flood/b"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 60000; i++) {
        assert_int_equal(pwrite(a, "x", 1, 0) + pwrite(b, "x", 1, 0), 2);
    }
    close(a);
    close(b);
    /* 12 MB of lines. It keeps 1 MiB, twice that while its buffer grows, and touches its code. */
    assert_in_range(resident_kb(s.pid), 0, before + 4 * 1024);
    hear("{\"error\":\"events were lost");
    assert_false(read_more());
    over(0);
    shell("rm -r flood");
}

/* ---- parts ---- */

static void globs_are_whole_components(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool matches;
    } table[] = {
        {"*.ts", "/a/b.ts", true},
        {"*.ts", "/a/b.tsx", false},
        {"*.ts", "/a.ts/b", true},
        {"src", "/src", true},
        {"src", "/a/src/b", true},
        {"src", "/a/srcs", false},
        {"src", "/a/xsrc", false},
        {"src/**", "/a/src/b/c", true},
        {"src/*/d", "/a/src/b/d", true},
        {"src/*/d", "/a/src/b/c/d", false},
        {"**/d", "/a/b/d", true},
        {"?.c", "/x/a.c", true},
        {"?.c", "/x/ab.c", false},
        {"?.c", "/x/\xc3\xa4.c", true},
        {"a?c", "/a/c", false},
        {"/a/*.x", "/a/b.x", true},
        {"/b/*.x", "/a/b/c.x", false},
        {".git", "/.git/config", true},
        {"a.b", "/axb", false},
        {"*", "/", true},
        {"", "/a", false},
        {"**", "/a/b", true},
        {"a**z", "/a/b/z", true},
        {"***x", "/a/bx", true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (glob_in_path(table[i].pattern, table[i].path) != table[i].matches) {
            fail_msg("%s in %s", table[i].pattern, table[i].path);
        }
    }
    static char stars[GLOB_BYTES_MAX + 2];
    static char path[4000];
    for (size_t i = 0; i < GLOB_BYTES_MAX; i++) {
        stars[i] = i % 2 == 0 ? '*' : 'a';
    }
    memset(path, 'a', sizeof path - 2);
    path[sizeof path - 2] = 'b';
    assert_false(glob_in_path(stars, path)); /* and this in no time */
    stars[GLOB_BYTES_MAX] = '*';
    assert_false(glob_in_path(stars, path));
}

static void folders_know_their_paths(void **state)
{
    (void)state;
    static struct folders f;
    char path[PATH_MAX];
    folders_init(&f);
    assert_non_null(folders_add(&f, 1, FOLDER_ROOT, "/"));
    struct folder *a = folders_add(&f, 2, 1, "a");
    struct folder *b = folders_add(&f, 2 + FOLDERS_BUCKETS, 2, "b");
    assert_int_equal(folders_path(&f, b, "c", path), 0);
    assert_string_equal(path, "/a/b/c");
    assert_ptr_equal(folders_child(&f, 2, "b"), b);
    assert_true(folders_place(&f, b, 1, "z"));
    assert_int_equal(folders_path(&f, b, "", path), 0);
    assert_string_equal(path, "/z");
    /* A ring ends. */
    assert_true(folders_place(&f, a, b->wd, "a") && folders_place(&f, b, a->wd, "b"));
    assert_int_equal(folders_path(&f, b, "", path), -ENAMETOOLONG);
    folders_detach(&f, a);
    folders_detach(&f, a);
    assert_int_equal(f.detached, 1);
    assert_int_equal(folders_path(&f, b, "", path), -ENOENT);
    folders_drop(&f, a);
    assert_int_equal(f.detached, 0);
    assert_int_equal(folders_path(&f, b, "", path), -ENOENT);
    folders_drop(&f, b);
    folders_drop(&f, folders_find(&f, 1));
    assert_null(folders_next(&f, NULL));
    assert_int_equal(f.count, 0);
}

int main(void)
{
    const struct CMUnitTest one_agent[] = {
        cmocka_unit_test(events_have_paths),
        cmocka_unit_test(paths_are_whole),
        cmocka_unit_test(new_folders_are_watched),
        cmocka_unit_test(folders_keep_their_watch_when_they_move),
        cmocka_unit_test(symlinks_are_not_followed),
        cmocka_unit_test(patterns_choose),
        cmocka_unit_test(counts_when_it_is_asked),
        cmocka_unit_test(ends_with_what_it_watches),
        cmocka_unit_test(refuses_what_is_not_there),
        cmocka_unit_test(folders_have_a_ceiling),
        cmocka_unit_test(lost_events_are_told),
    };
    const struct CMUnitTest parts[] = {
        cmocka_unit_test(globs_are_whole_components),
        cmocka_unit_test(folders_know_their_paths),
    };
    int failed = cmocka_run_group_tests_name("one agent", one_agent, start, end);
    return failed + cmocka_run_group_tests_name("parts", parts, NULL, NULL);
}
