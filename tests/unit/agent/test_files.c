/* File calls: what each does, on files of every kind, and what is said when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "one.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_MS 10000u

static char path_text[8][512];

/* In the sandbox's folder. Lent until eight calls later. */
static const char *at(const char *name)
{
    static size_t next;
    char *text = path_text[next++ % 8];
    snprintf(text, sizeof path_text[0], "%s/%s", d.dir, name);
    return text;
}

static void put(const char *name, const char *bytes)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(bytes, f);
    assert_int_equal(fclose(f), 0);
}

static const char *got(const char *name)
{
    static char bytes[4096];
    FILE *f = fopen(at(name), "r");
    if (f == NULL) {
        return "(not there)";
    }
    bytes[fread(bytes, 1, sizeof bytes - 1, f)] = '\0';
    fclose(f);
    return bytes;
}

/* ok: no word on 2; else the line has to begin so. */
static void call(const char *const *argv, const char *fails)
{
    run("f", argv);
    expect("exit", fails != NULL);
    if (strncmp(o.err, fails != NULL ? fails : "", fails != NULL ? strlen(fails) : 1) != 0) {
        fail_msg("%s %s: %s", argv[0], argv[1], o.err);
    }
    if (fails != NULL) { /* one line */
        assert_ptr_equal(strchr(o.err, '\n'), o.err + strlen(o.err) - 1);
    }
}

static void write_file(const char *path, const char *bytes, const char *fails)
{
    const struct ask ask = {
        .flags = "fi", .argv = WORDS("write", path), .input = bytes, .input_len = strlen(bytes)};
    driver_do(&d, &ask, &o);
    expect("exit", fails != NULL);
    if (fails != NULL && strncmp(o.err, fails, strlen(fails)) != 0) {
        fail_msg("write %s: %s", path, o.err);
    }
}

/* Nothing but these names is there. */
static void names_are(const char *folder, const char *const *names)
{
    size_t count = 0;
    DIR *dir = opendir(at(folder));
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        bool known = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        for (size_t i = 0; names[i] != NULL; i++) {
            count += strcmp(e->d_name, names[i]) == 0;
            known = known || strcmp(e->d_name, names[i]) == 0;
        }
        if (!known) {
            fail_msg("%s is left in %s", e->d_name, folder);
        }
    }
    closedir(dir);
    for (size_t i = 0; names[i] != NULL; i++, count--) {
    }
    assert_int_equal(count, 0);
}

static void make_folder(const char *name)
{
    assert_int_equal(mkdir(at(name), 0755), 0);
}

/* ---- read ---- */

static void reads(void **state)
{
    (void)state;
    put("r", "contents");
    make_folder("folder");
    assert_int_equal(symlink("r", at("link")), 0);
    assert_int_equal(symlink("gone", at("dangling")), 0);
    assert_int_equal(symlink("loop", at("loop")), 0);
    call(WORDS("read", "r"), NULL);
    assert_string_equal(o.out, "contents");
    call(WORDS("read", at("link")), NULL);
    assert_string_equal(o.out, "contents");
    call(WORDS("read", "/proc/self/cmdline"), NULL); /* its size is 0 */
    assert_true(o.out_len > 0);
    call(WORDS("read", "/dev/null"), NULL);
    assert_int_equal(o.out_len, 0);
    call(WORDS("read", "none"), "ENOENT: none: ");
    call(WORDS("read", ""), "ENOENT: : ");
    call(WORDS("read", "folder"), "EISDIR: folder: ");
    call(WORDS("read", "r/below"), "ENOTDIR: r/below: ");
    call(WORDS("read", "dangling"), "ENOENT: dangling: ");
    call(WORDS("read", "loop"), "ELOOP: loop: ");
    call(WORDS("read"), "EINVAL: read: ");
    call(WORDS("dance", "x"), "ENOSYS: dance: ");
}

/* Far more than memory or the pipe would hold, and a reader that leaves in the middle. */
static void huge_files_are_streamed(void **state)
{
    static char bytes[65536];
    int out[2];
    int err[2];
    size_t total = 0;
    (void)state;
    int fd = open(at("huge"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* a hole: it takes no room */
    close(fd);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    const struct ask ask = {.flags = "f", .argv = WORDS("read", "huge")};
    driver_run(&d, &ask, (int[]){out[1], err[1]}, 2);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    while (total < 8u << 20) {
        ssize_t n = read(out[0], bytes, sizeof bytes);
        assert_true(n > 0);
        total += (size_t)n;
    }
    close(out[0]);
    driver_hear(&d);
    assert_string_equal(driver_field(&d, 1), "signal");
    assert_int_equal(atoi(driver_field(&d, 2)), SIGPIPE);
    assert_int_equal(read(err[0], bytes, 1), 0);
    close(err[0]);
    call(WORDS("delete", "huge"), NULL);
}

/* A FIFO is read to its last writer's end, and waits for the first one; not longer than somebody
 * waits for it. */
static void fifos_are_waited_for(void **state)
{
    int out[2];
    char bytes[16] = "";
    (void)state;
    assert_int_equal(mkfifo(at("fifo"), 0644), 0);
    for (int leaves = 0; leaves < 2; leaves++) {
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const struct ask ask = {.flags = "f", .argv = WORDS("read", "fifo")};
        driver_run(&d, &ask, (int[]){out[1], null}, 2);
        driver_hear(&d);
        assert_int_equal(d.msg.type, AGENT_STARTED);
        if (leaves) {
            close(out[0]);
            driver_hear(&d);
            assert_int_equal(atoi(driver_field(&d, 2)), SIGPIPE);
            continue;
        }
        int writer = open(at("fifo"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(writer, "one", 3), 3);
        assert_int_equal(read(out[0], bytes, 3), 3);
        assert_int_equal(write(writer, "two", 3), 3);
        assert_int_equal(read(out[0], bytes, 3), 3);
        assert_string_equal(bytes, "two");
        close(writer);
        assert_int_equal(read(out[0], bytes, 1), 0);
        driver_hear(&d);
        assert_string_equal(driver_field(&d, 1), "exit");
        close(out[0]);
    }
    /* a limit ends it too, from its first moment on */
    const struct ask ask = {.flags = "f", .timeout = "1", .argv = WORDS("read", "fifo")};
    driver_do(&d, &ask, &o);
    expect("timeout", SIGKILL);
}

/* ---- write ---- */

static void writes(void **state)
{
    struct stat st;
    (void)state;
    make_folder("w");
    write_file("w/new", "one", NULL);
    assert_string_equal(got("w/new"), "one");
    write_file("w/new", "", NULL);
    assert_string_equal(got("w/new"), "");
    assert_int_equal(chmod(at("w/new"), 0751), 0);
    write_file(at("w/new"), "two", NULL);
    assert_int_equal(stat(at("w/new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0751);
    assert_string_equal(got("w/new"), "two");
    /* the link stays, what it leads to is written; where it leads to nothing too */
    assert_int_equal(symlink("new", at("w/link")), 0);
    write_file("w/link", "three", NULL);
    assert_string_equal(got("w/new"), "three");
    assert_int_equal(lstat(at("w/link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(symlink("later", at("w/dangling")), 0);
    write_file("w/dangling", "four", NULL);
    assert_string_equal(got("w/later"), "four");
    write_file("w", "x", "EISDIR: w: ");
    write_file("w/none/x", "x", "ENOENT: w/none/x: ");
    write_file("w/new/x", "x", "ENOTDIR: w/new/x: ");
    write_file("w/slash/", "x", "EISDIR: w/slash/: ");
    write_file("", "x", "ENOENT: : ");
    write_file("/dev/null", "x", NULL);
    write_file("/dev/full", "x", "ENOSPC: /dev/full: ");
    names_are("w", WORDS("new", "link", "dangling", "later"));
}

/* One piece of it is there; then its writer says the end, or goes away. */
static void a_write_is_whole_or_not_at_all(void **state)
{
    static const struct {
        bool whole;
        int status;
        const char *contents;
    } cases[] = {{false, 1, "before"}, {true, 0, "piece"}};
    (void)state;
    make_folder("half");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int pair[2];
        int err[2];
        char line[128] = "";
        put("half/file", "before");
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const struct ask ask = {.flags = "fi", .argv = WORDS("write", "half/file")};
        driver_run(&d, &ask, (int[]){pair[1], null, err[1]}, 3);
        driver_hear(&d);
        assert_int_equal(d.msg.type, AGENT_STARTED);
        assert_int_equal(write(pair[0], "piece", 5), 5);
        assert_string_equal(got("half/file"), "before");
        if (cases[i].whole) {
            assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
        } else {
            close(pair[0]);
        }
        driver_hear(&d);
        assert_string_equal(driver_field(&d, 1), "exit");
        assert_int_equal(atoi(driver_field(&d, 2)), cases[i].status);
        assert_true(read(err[0], line, sizeof line - 1) >= 0);
        assert_true(cases[i].whole || strncmp(line, "ECANCELED: half/file: ", 22) == 0);
        assert_string_equal(got("half/file"), cases[i].contents);
        names_are("half", WORDS("file"));
        close(err[0]);
    }
}

/* A kill in the middle leaves the old contents and no other name. */
static void a_killed_write_leaves_nothing(void **state)
{
    int pair[2];
    char number[16];
    (void)state;
    make_folder("killed");
    put("killed/file", "before");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct ask ask = {.flags = "fi", .argv = WORDS("write", "killed/file")};
    snprintf(number, sizeof number, "%u",
             driver_run(&d, &ask, (int[]){pair[1], null, dup(null)}, 3));
    driver_hear(&d);
    static char piece[1 << 20]; /* more than the socket holds: it has begun to write */
    size_t sent = 0;
    while (sent < sizeof piece) {
        ssize_t n = write(pair[0], piece + sent, sizeof piece - sent);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    const struct span fields[] = {span_str(number), SPAN_LIT("9")};
    assert_int_equal(ipc_send_blocking(d.socket, AGENT_SIGNAL, fields, 2, NULL, 0, NULL), 0);
    driver_hear(&d);
    assert_string_equal(driver_field(&d, 1), "signal");
    close(pair[0]);
    assert_string_equal(got("killed/file"), "before");
    names_are("killed", WORDS("file"));
}

/* A file system of 64 KiB of its own. */
static void mount_small(const char *name)
{
    make_folder(name);
    assert_int_equal(mount("none", at(name), "tmpfs", 0, "size=65536"), 0);
}

static void a_full_disk_leaves_the_old_contents(void **state)
{
    static char big[100000];
    (void)state;
    mount_small("small");
    put("small/file", "before");
    memset(big, 'x', sizeof big - 1);
    write_file("small/file", big, "ENOSPC: small/file: ");
    assert_string_equal(got("small/file"), "before");
    names_are("small", WORDS("file"));
    /* what is moved there is there whole or not */
    put("big", big);
    call(WORDS("move", "big", "small/big"), "ENOSPC: small/big: ");
    assert_int_equal(access(at("big"), F_OK), 0);
    names_are("small", WORDS("file"));
    /* a mount point cannot be replaced: it is written in place */
    put("over", "under");
    assert_int_equal(mount(at("small/file"), at("over"), NULL, MS_BIND, NULL), 0);
    write_file("over", "after", NULL);
    assert_string_equal(got("small/file"), "after");
    assert_int_equal(umount(at("over")), 0);
    assert_int_equal(umount(at("small")), 0);
    call(WORDS("delete", "big"), NULL);
}

/* ---- folders ---- */

static void folders_are_made(void **state)
{
    (void)state;
    put("file", "x");
    call(WORDS("mkdir", "m"), NULL);
    call(WORDS("mkdir", "m"), "EEXIST: m: ");
    call(WORDS("mkdir", "m", "recursive"), NULL);
    call(WORDS("mkdir", "m/a//b/c/"), "ENOENT: m/a//b/c/: ");
    call(WORDS("mkdir", "m/a//b/c/", "recursive"), NULL);
    call(WORDS("mkdir", at("m/a/b/c"), "recursive"), NULL);
    call(WORDS("exists", "m/a/b/c"), NULL);
    call(WORDS("mkdir", "file/x", "recursive"), "ENOTDIR: file/x: ");
    call(WORDS("mkdir", "file", "recursive"), "EEXIST: file: ");
    call(WORDS("mkdir", "", "recursive"), "ENOENT: : ");
    assert_int_equal(symlink("m", at("m-link")), 0);
    call(WORDS("mkdir", "m-link/below", "recursive"), NULL);
    call(WORDS("exists", "m/below"), NULL);
    call(WORDS("mkdir", "m-link", "recursive"), NULL);
}

static void exists_tells_by_its_status(void **state)
{
    (void)state;
    put("e", "");
    assert_int_equal(symlink("no-such", at("e-dangling")), 0);
    call(WORDS("exists", "e"), NULL);
    call(WORDS("exists", d.dir), NULL);
    static const char *const absent[] = {"e-none", "e/x", "e-dangling", ""};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        run("f", WORDS("exists", absent[i]));
        expect("exit", 1);
        assert_string_equal(o.err, "");
    }
}

static void facts_are_told(void **state)
{
    static const struct {
        const char *path;
        const char *begin;
    } cases[] = {
        {"s/file", "{\"name\":\"file\",\"type\":\"file\",\"size\":5,\"mode\":416,\"mtime_ms\":"},
        {"s/link", "{\"name\":\"link\",\"type\":\"symlink\",\"size\":4,"},
        {"s/fifo", "{\"name\":\"fifo\",\"type\":\"other\",\"size\":0,\"mode\":384,"},
        {"s", "{\"name\":\"s\",\"type\":\"directory\","},
        {"s//", "{\"name\":\"s\",\"type\":\"directory\","},
        {"/", "{\"name\":\"/\",\"type\":\"directory\","},
        {"s/\xff\n\"", "{\"name\":\"\\ufffd\\u000a\\\"\",\"type\":\"file\",\"size\":0,"},
    };
    (void)state;
    make_folder("s");
    put("s/file", "12345");
    put("s/\xff\n\"", "");
    assert_int_equal(chmod(at("s/file"), 0640), 0);
    assert_int_equal(symlink("file", at("s/link")), 0);
    assert_int_equal(mkfifo(at("s/fifo"), 0600), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call(WORDS("stat", cases[i].path), NULL);
        if (strncmp(o.out, cases[i].begin, strlen(cases[i].begin)) != 0) {
            fail_msg("%s: %s", cases[i].path, o.out);
        }
        assert_ptr_equal(strchr(o.out, '\n'), o.out + o.out_len - 1);
    }
    call(WORDS("stat", "s/none"), "ENOENT: s/none: ");
}

/* Whether the last listing has an entry of this name. */
static bool listed(const char *name)
{
    char member[512];
    snprintf(member, sizeof member, "{\"name\":\"%s\",", name);
    return strstr(o.out, member) != NULL;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) {
        n++;
    }
    return n;
}

static void folders_are_listed(void **state)
{
    (void)state;
    make_folder("l");
    make_folder("l/below");
    make_folder("l/.hidden");
    put("l/one", "");
    put("l/below/two", "");
    put("l/.hidden/three", "");
    put("l/bad\xfe", "");
    assert_int_equal(symlink("..", at("l/up")), 0); /* not followed: else there were no end */
    call(WORDS("list", "l"), NULL);
    assert_int_equal(lines_of(o.out), 4);
    assert_true(listed("one") && listed("below") && listed("up") && listed("bad\\ufffd"));
    call(WORDS("list", "l", "hidden"), NULL);
    assert_int_equal(lines_of(o.out), 5);
    call(WORDS("list", "l", "recursive"), NULL);
    assert_int_equal(lines_of(o.out), 5);
    assert_true(listed("below/two") && !listed(".hidden/three"));
    call(WORDS("list", "l/up/l", "recursive", "hidden"), NULL);
    assert_int_equal(lines_of(o.out), 7);
    assert_true(listed(".hidden/three"));
    call(WORDS("list", "l/one"), "ENOTDIR: l/one: ");
    call(WORDS("list", "l/none"), "ENOENT: l/none: ");
}

/* Its status; what it writes is nobody's. */
static int quiet(const char *const *argv)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    driver_run(&d, &(struct ask){.flags = "f", .argv = argv}, (int[]){null, dup(null)}, 2);
    driver_hear(&d);
    assert_int_equal(d.msg.type, AGENT_STARTED);
    driver_hear(&d);
    assert_string_equal(driver_field(&d, 1), "exit");
    return atoi(driver_field(&d, 2));
}

/* As deep and with as long a path as the walk allows, each byte of it told as six; and deeper. */
static void deep_folders(void **state)
{
    static const int levels[] = {250, 300};
    char name[64];
    (void)state;
    memset(name, 0xff, sizeof name - 1);
    name[sizeof name - 1] = '\0';
    make_folder("deep");
    for (size_t n = 0; n < 2; n++) {
        int fd = open(at("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < levels[n]; i++) {
            assert_true(mkdirat(fd, name, 0755) == 0 || errno == EEXIST);
            int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            close(fd);
            fd = next;
            assert_true(fd >= 0);
        }
        close(fd);
        assert_int_equal(quiet(WORDS("list", "deep", "recursive")), n);
    }
    call(WORDS("delete", "deep", "recursive"), "ENAMETOOLONG: deep: ");
    run("", WORDS("rm", "-rf", "deep"));
    expect("exit", 0);
}

/* ---- what goes ---- */

static void files_are_deleted(void **state)
{
    (void)state;
    make_folder("del");
    make_folder("del/a");
    put("del/a/f", "");
    put("outside", "stays");
    assert_int_equal(symlink("../outside", at("del/link")), 0);
    assert_int_equal(symlink("../../l", at("del/a/folder-link")), 0);
    assert_int_equal(mkfifo(at("del/fifo"), 0600), 0);
    call(WORDS("delete", "del"), "ENOTEMPTY: del: ");
    call(WORDS("delete", "del/fifo"), NULL);
    call(WORDS("delete", "del/link"), NULL);
    call(WORDS("delete", "del/none"), "ENOENT: del/none: ");
    call(WORDS("delete", "outside/x", "recursive"), "ENOTDIR: outside/x: ");
    call(WORDS("delete", "del", "recursive"), NULL);
    assert_int_equal(access(at("del"), F_OK), -1);
    call(WORDS("delete", "outside", "recursive"), NULL);
    call(WORDS("delete", "outside", "recursive"), "ENOENT: outside: ");
    /* what a link leads to stays */
    make_folder("kept");
    put("kept/f", "stays");
    assert_int_equal(symlink("kept", at("to-kept")), 0);
    call(WORDS("delete", "to-kept", "recursive"), NULL);
    assert_string_equal(got("kept/f"), "stays");
    names_are("kept", WORDS("f"));
}

static void names_change(void **state)
{
    static const char *const both[] = {"rename", "move"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *name = both[i];
        put("n1", "first");
        put("n2", "second");
        call(WORDS(name, "n1", "n2"), NULL);
        assert_string_equal(got("n2"), "first");
        call(WORDS(name, "n1", "n3"), "ENOENT: n1: ");
        call(WORDS(name, "n2", "none/n3"), "ENOENT: none/n3: "); /* it is the place that is not */
        call(WORDS(name, "n2", "n2/x"), "ENOTDIR: n2/x: ");
        call(WORDS("mkdir", "full/below", "recursive"), NULL);
        call(WORDS(name, "n2", "full"), "EISDIR: full: ");
        call(WORDS(name, "full", "full/below/self"), "EINVAL: full/below/self: ");
        call(WORDS(name, "n2"), i == 0 ? "EINVAL: rename: " : "EINVAL: move: ");
        call(WORDS("delete", "n2"), NULL);
    }
}

/* To another file system, with all that a tree can hold, or not at all. */
static void trees_move_across(void **state)
{
    struct stat st;
    char target[16] = "";
    (void)state;
    mount_small("far");
    make_folder("tree");
    make_folder("tree/shut");
    put("tree/shut/file", "12345");
    put("tree/bad\xfe", "x");
    assert_int_equal(symlink("shut/file", at("tree/link")), 0);
    assert_int_equal(mkfifo(at("tree/fifo"), 0640), 0);
    assert_int_equal(chmod(at("tree/shut"), 0555), 0);
    assert_int_equal(chmod(at("tree/shut/file"), 0640), 0);
    call(WORDS("rename", "tree", "far/tree"), "EXDEV: ");
    call(WORDS("move", "tree", "far/tree"), NULL);
    assert_int_equal(access(at("tree"), F_OK), -1);
    names_are("far", WORDS("tree"));
    names_are("far/tree", WORDS("shut", "bad\xfe", "link", "fifo"));
    assert_string_equal(got("far/tree/shut/file"), "12345");
    assert_int_equal(stat(at("far/tree/shut"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0555);
    assert_int_equal(stat(at("far/tree/shut/file"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(readlink(at("far/tree/link"), target, sizeof target - 1), 9);
    assert_string_equal(target, "shut/file");
    assert_int_equal(lstat(at("far/tree/fifo"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    /* a socket cannot be: nothing of the tree is there then, and the tree is */
    make_folder("with-socket");
    put("with-socket/a", "x");
    assert_int_equal(mknod(at("with-socket/s"), S_IFSOCK | 0600, 0), 0);
    call(WORDS("move", "with-socket", "far/other"), "EOPNOTSUPP: far/other: ");
    names_are("far", WORDS("tree"));
    names_are("with-socket", WORDS("a", "s"));
    /* into a file system that stands in itself */
    make_folder("self");
    make_folder("self/mnt");
    assert_int_equal(mount(at("far"), at("self/mnt"), NULL, MS_BIND, NULL), 0);
    call(WORDS("move", "self", "self/mnt/self"), "EINVAL: self/mnt/self: ");
    names_are("far", WORDS("tree"));
    assert_int_equal(umount(at("self/mnt")), 0);
    assert_int_equal(umount(at("far")), 0);
}

/* ---- rights ---- */

static void what_is_not_allowed_is_said(void **state)
{
    (void)state;
    make_folder("closed");
    put("closed/file", "x");
    put("read-only", "before");
    assert_int_equal(chmod(at("read-only"), 0444), 0);
    assert_int_equal(chmod(at("closed"), 0555), 0);
    write_file("read-only", "x", "EACCES: read-only: ");
    write_file("closed/new", "x", "EACCES: closed/new: ");
    write_file("closed/file", "y", NULL); /* in place: the folder takes no other name */
    assert_string_equal(got("closed/file"), "y");
    call(WORDS("delete", "closed/file"), "EACCES: closed/file: ");
    call(WORDS("delete", "closed", "recursive"), "EACCES: closed: ");
    call(WORDS("mkdir", "closed/x"), "EACCES: closed/x: ");
    call(WORDS("rename", "closed/file", "elsewhere"), "EACCES: closed/file: ");
    assert_int_equal(chmod(at("closed"), 0), 0);
    call(WORDS("read", "closed/file"), "EACCES: closed/file: ");
    call(WORDS("list", "closed"), "EACCES: closed: ");
    assert_int_equal(chmod(at("closed"), 0755), 0);
}

static void map_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Mounts of this test's own, gone with it; who is not root becomes it in a namespace. */
static void own_mounts(void)
{
    char uids[32];
    char gids[32];
    const bool root = geteuid() == 0;
    snprintf(uids, sizeof uids, "0 %u 1", (unsigned)geteuid());
    snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getegid());
    assert_int_equal(unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)), 0);
    if (!root) {
        map_write("/proc/self/setgroups", "deny");
        map_write("/proc/self/uid_map", uids);
        map_write("/proc/self/gid_map", gids);
    }
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

static int start(void **state)
{
    own_mounts();
    return one_start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(huge_files_are_streamed),
        cmocka_unit_test(fifos_are_waited_for),
        cmocka_unit_test(writes),
        cmocka_unit_test(a_write_is_whole_or_not_at_all),
        cmocka_unit_test(a_killed_write_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_the_old_contents),
        cmocka_unit_test(folders_are_made),
        cmocka_unit_test(exists_tells_by_its_status),
        cmocka_unit_test(facts_are_told),
        cmocka_unit_test(folders_are_listed),
        cmocka_unit_test(deep_folders),
        cmocka_unit_test(files_are_deleted),
        cmocka_unit_test(names_change),
        cmocka_unit_test(trees_move_across),
        cmocka_unit_test(what_is_not_allowed_is_said),
    };
    return cmocka_run_group_tests(tests, start, one_end);
}
