/* Whole sandboxes, as the launcher builds them: who they are, what they see, what is left of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "isolate/pty.h"
#include "play.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each test runs for both; as an ordinary user alone where the tests do. */
static enum play_who who;
static char base[64];    /* a folder of its own for each group */
static char project[96]; /* the bound folder */
static char home[96];

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void own(const char *path)
{
    if (who == PLAY_AS_ORDINARY && geteuid() == 0) {
        assert_int_equal(lchown(path, PLAY_ORDINARY, PLAY_ORDINARY), 0);
    }
}

static void put_file(const char *rel, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", project, rel);
    for (char *slash = strchr(path + strlen(project) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        own(path);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    own(path);
}

static void put_program(void)
{
    char path[256];
    static char bytes[4 * 1024 * 1024];
    int from = open(PLAY_INSIDE, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(from, bytes, sizeof(bytes));
    assert_true(n > 0 && (size_t)n < sizeof(bytes));
    close(from);
    snprintf(path, sizeof(path), "%s/inside", project);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    assert_int_equal(write(to, bytes, (size_t)n), n);
    close(to);
    own(path);
}

static int make_folders(enum play_who as)
{
    who = as;
    snprintf(base, sizeof(base), "/tmp/launcher-test-XXXXXX");
    assert_non_null(mkdtemp(base));
    assert_int_equal(chmod(base, 0755), 0);
    snprintf(project, sizeof(project), "%s/project", base);
    snprintf(home, sizeof(home), "%s/home", base);
    assert_int_equal(mkdir(project, 0755), 0);
    assert_int_equal(mkdir(home, 0755), 0);
    own(project);
    own(home);
    put_program();
    put_file(".dev.vars", "TOKEN=very-secret\n", 0600);
    put_file(".env.local", "TOKEN=very-secret\n", 0600);
    put_file("deep/down/.dev.vars", "TOKEN=very-secret\n", 0600);
    put_file("conf/app/wrangler.jsonc", "{}\n", 0644);
    put_file(".git/hooks/pre-commit", "#!/bin/sh\n", 0755);
    put_file(".git/config", "[core]\n", 0644);
    put_file(".git/HEAD", "ref: refs/heads/main\n", 0644);
    return 0;
}

static int setup_as_is(void **state)
{
    (void)state;
    return make_folders(PLAY_AS_IS);
}

static int setup_ordinary(void **state)
{
    (void)state;
    return make_folders(PLAY_AS_ORDINARY);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_folders(void **state)
{
    (void)state;
    return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct play player(const char *const *argv)
{
    return (struct play){
        .who = who, .home = home, .spec = play_spec(project), .argv = argv, .stdio = {-1, -1, -1}};
}

static void expect(struct play *p, int status, const char *text)
{
    static char out[65536];
    int got = play_run(p, out, sizeof(out));
    if (got != status || (text != NULL && strstr(out, text) == NULL)) {
        print_error("status %d: %s\n", got, out);
    }
    assert_int_equal(got, status);
    assert_true(text == NULL || strstr(out, text) != NULL);
}

static void expect_argv(const char *const *argv, int status, const char *text)
{
    struct play p = player(argv);
    expect(&p, status, text);
}
#define SHELL(script, status, text) expect_argv(ARGV("/bin/sh", "-c", script), status, text)

static void status_is_the_commands(void **state)
{
    (void)state;
    SHELL("exit 0", 0, NULL);
    SHELL("exit 42", 42, NULL);
    SHELL("kill -9 $$", 128 + SIGKILL, NULL);
    SHELL("kill -TERM $$", 128 + SIGTERM, NULL);
    expect_argv(ARGV("no-such-program"), 127, "no-such-program: not found: a sandbox has /usr");
    expect_argv(ARGV("./no/such/path"), 127, "./no/such/path: not found: a sandbox has /usr");
    expect_argv(ARGV(""), 127, "\"\": not found");
    expect_argv(ARGV("./.git/config"), 126, "./.git/config: found but not executable");
    expect_argv(ARGV("./conf"), 126, "found but not executable");
    put_file("script", "#!/no/such/interpreter\n", 0755);
    expect_argv(ARGV("./script"), 126, "its interpreter is not there");
    put_file("script", "echo from a script\n", 0755);
    expect_argv(ARGV("./script"), 0, "from a script\n");
}

static void network_is_only_lo(void **state)
{
    (void)state;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, "\0launcher-test", 14);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(sa_family_t) + 14), 0);
    assert_int_equal(listen(fd, 1), 0);
    expect_argv(ARGV("./inside", "network"), 0, NULL);
    expect_argv(ARGV("./inside", "loopback"), 0, NULL);
    close(fd);
}

static void descriptors_are_three(void **state)
{
    (void)state;
    int extra = open("/", O_RDONLY); /* not close-on-exec, as a careless caller has it */
    expect_argv(ARGV("./inside", "descriptors"), 0, NULL);
    close(extra);
}

static void nested_namespaces_change_nothing(void **state)
{
    (void)state;
    expect_argv(ARGV("./inside", "nested", project), 0, NULL);
}

static void secrets_show_as_empty(void **state)
{
    (void)state;
    SHELL("cat .dev.vars .env.local; test -f .dev.vars && test ! -s .env.local", 0, "");
    SHELL("! grep -rs very-secret .dev.vars .env.local", 0, "");
    struct play p = player(ARGV("/bin/sh", "-c", "! grep -rs very-secret . /proc/*/environ"));
    json_object_set_new(p.spec, "masks", json_pack("[s]", "deep/*/.dev*"));
    expect(&p, 0, "");
    p = player(ARGV("/bin/sh", "-c", "! grep -rs very-secret ."));
    json_object_set_new(p.spec, "masks", json_pack("[s, s]", "**/.dev.vars", "no/such/*"));
    expect(&p, 0, "");
    static const char *const bad[] = {"/etc/*", "a//b", "**", "", "./x", "a/../b", "..", "deep"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = player(ARGV("/bin/true"));
        json_object_set_new(p.spec, "masks", json_pack("[s]", bad[i]));
        expect(&p, 125, "--mask:");
    }
    p = player(
        ARGV("/bin/sh", "-c", "! grep -rs very-secret . && ! mv deep other && ! rm -r deep"));
    char path[256];
    snprintf(path, sizeof(path), "%s/deep/down/.dev.vars", project);
    json_object_set_new(p.spec, "masked", json_pack("[s]", path));
    expect(&p, 0, "busy");
    assert_int_equal(access(path, F_OK), 0);
}

static void policy_is_read_only(void **state)
{
    (void)state;
    char folder[256];
    char file[256];
    snprintf(folder, sizeof(folder), "%s/conf/app", project);
    snprintf(file, sizeof(file), "%s/conf/app/wrangler.jsonc", project);
    static const char *const script =
        "exec 2>&1; ! echo x > conf/app/wrangler.jsonc && ! rm -f conf/app/wrangler.jsonc && "
        "! mv conf/app/wrangler.jsonc x && ! mv conf/app x && ! mv conf x && ! rm -rf conf";
    const char *const paths[] = {folder, file};
    for (size_t i = 0; i < 2; i++) {
        struct play p = player(ARGV("/bin/sh", "-c", script));
        json_object_set_new(p.spec, "readonly", json_pack("[s]", paths[i]));
        expect(&p, 0, NULL);
    }
    struct play p = player(ARGV("/bin/sh", "-c", "! touch conf/app/new && touch conf/new"));
    json_object_set_new(p.spec, "readonly", json_pack("[s]", folder));
    expect(&p, 0, NULL);
    assert_int_equal(access(file, F_OK), 0);
}

static void policy_behind_a_link_is_refused(void **state)
{
    (void)state;
    char link[256];
    snprintf(link, sizeof(link), "%s/link", project);
    assert_int_equal(symlink("conf/app", link), 0);
    snprintf(link, sizeof(link), "%s/link/wrangler.jsonc", project);
    struct play p = player(ARGV("/bin/true"));
    json_object_set_new(p.spec, "readonly", json_pack("[s]", link));
    expect(&p, 125, "name its real path");
}

static void git_runs_nothing_of_theirs(void **state)
{
    (void)state;
    SHELL("exec 2>&1; ! echo x > .git/hooks/post-commit && ! echo x >> .git/config && "
          "! mv .git other && ! rm -rf .git/hooks && touch .git/index",
          0, NULL);
    char path[256];
    struct play p =
        player(ARGV("/bin/sh", "-c", "echo x > .git/hooks/new && ! echo >> .git/config"));
    snprintf(path, sizeof(path), "%s/.git/hooks", project);
    json_object_set_new(p.spec, "writable", json_pack("[s]", path));
    expect(&p, 0, NULL);
    /* Without a hooks folder the repository is read-only: else the sandbox could make one. */
    snprintf(path, sizeof(path), "%s/sub/.git", project);
    put_file("sub/.git/config", "[core]\n", 0644);
    snprintf(path, sizeof(path), "%s/sub", project);
    p = player(ARGV("/bin/sh", "-c", "! mkdir .git/hooks && ! mv .git x && touch y"));
    json_object_set_new(p.spec, "cwd", json_string(path));
    json_object_set_new(p.spec, "binds",
                        json_pack("[{s:s, s:s, s:b}]", "src", path, "dst", path, "ro", 0));
    expect(&p, 0, NULL);
}

static void sockets_in_the_root_are_masked(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char path[256];
    snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/any-name", project);
    snprintf(path, sizeof(path), "%s/any-name", project);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(chmod(path, 0777), 0);
    expect_argv(ARGV("./inside", "no-socket", path), 0, NULL);
    close(fd);
}

static void view_is_an_allow_list(void **state)
{
    (void)state;
    SHELL("test ! -e /root/. && test ! -e /var/lib && test ! -e /sys && test ! -e /boot && "
          "test ! -e /etc/shadow && test ! -e /etc/machine-id && test \"$(ls /home /run 2>/dev/null"
          " | grep -c .)\" -le 5",
          0, NULL);
    SHELL("exec 2>&1; ! touch /x && ! touch /dev/x && ! touch /var/x && ! touch /usr/x && ! touch "
          "/etc/x && ! touch "
          "/run/sallyport/x && touch /tmp/x "
          "/var/tmp/x /run/x $HOME/x /dev/shm/x",
          0, NULL);
    SHELL("cat /etc/hosts", 0, "127.0.0.1 localhost play-1\n");
    SHELL("cat /etc/resolv.conf", 0, "nameserver 198.18.0.2\n");
    SHELL("cat /etc/nsswitch.conf", 0, "hosts: files dns\n");
    SHELL("hostname; id -un", 0, "play-1\n");
    SHELL("cmp /etc/cloudflare/certs/cloudflare-containers-ca.crt $NODE_EXTRA_CA_CERTS && "
          "cmp /etc/ssl/certs/ca-certificates.crt $SSL_CERT_FILE && "
          "tail -n $(wc -l < $NODE_EXTRA_CA_CERTS) $SSL_CERT_FILE | cmp - $NODE_EXTRA_CA_CERTS && "
          "test -s /etc/ssl/certs/java/cacerts",
          0, "");
}

static void environment_is_exact(void **state)
{
    (void)state;
    setenv("HOST_ONLY", "leak", 1);
    struct play p = player(ARGV("/usr/bin/env"));
    json_object_set_new(p.spec, "env", json_pack("[s, s, s]", "MINE=1=2", "EMPTY=", "HOME=/tmp"));
    static char out[65536];
    assert_int_equal(play_run(&p, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "MINE=1=2\n"));
    assert_non_null(strstr(out, "EMPTY=\n"));
    assert_non_null(strstr(out, "HOME=/tmp\n"));
    assert_null(strstr(out, "leak"));
    static const char *const known[] = {"PATH",
                                        "HOME",
                                        "TERM",
                                        "LANG",
                                        "USER",
                                        "MINE",
                                        "EMPTY",
                                        "PWD",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR",
                                        "CURL_CA_BUNDLE",
                                        "REQUESTS_CA_BUNDLE",
                                        "PIP_CERT",
                                        "GIT_SSL_CAINFO",
                                        "AWS_CA_BUNDLE",
                                        "CARGO_HTTP_CAINFO",
                                        "BUNDLE_SSL_CA_CERT",
                                        "npm_config_cafile",
                                        "CODEX_CA_CERTIFICATE",
                                        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
                                        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
                                        "HEX_CACERTS_PATH",
                                        "COMPOSER_CAFILE",
                                        "JULIA_SSL_CA_ROOTS_PATH",
                                        "NIX_SSL_CERT_FILE",
                                        "JAVA_TOOL_OPTIONS",
                                        "NODE_EXTRA_CA_CERTS",
                                        "NODE_USE_SYSTEM_CA",
                                        "npm_config_fetch_retry_mintimeout",
                                        "npm_config_fetch_retry_maxtimeout",
                                        "DENO_CERT",
                                        "DENO_TLS_CA_STORE",
                                        "UV_SYSTEM_CERTS"};
    for (char *line = strtok(out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t len = strcspn(line, "=");
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || (strlen(known[i]) == len && strncmp(known[i], line, len) == 0);
        }
        if (!found) {
            print_error("unexpected: %s\n", line);
        }
        assert_true(found);
    }
}

static void binds_are_refused(void **state)
{
    (void)state;
    char below[128];
    snprintf(below, sizeof(below), "%s/conf", project);
    const struct {
        const char *src;
        const char *dst;
        const char *state_dir;
        const char *why;
    } table[] = {
        {"/", "/x", NULL, "bind /:"},
        {"/proc", "/x", NULL, "file system of the kernel"},
        {"/sys", "/x", NULL, "file system of the kernel"},
        {home, "/x", NULL, "home folder"},
        {base, "/x", NULL, "home folder"},
        {project, "/x", below, "own state"},
        {below, "/x", project, "own state"},
        {"/dev/null", "/x", NULL, "not a folder or a regular file"},
        {"/no/such/folder", "/x", NULL, "bind /no/such/folder: No such file"},
        {project, "/proc/x", NULL, "needs /proc/x for itself"},
        {project, "/usr", NULL, "needs /usr for itself"},
        {project, "/tmp/../etc", NULL, "needs"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct play p = player(ARGV("/bin/true"));
        json_object_set_new(
            p.spec, "binds",
            json_pack("[{s:s, s:s, s:b}]", "src", table[i].src, "dst", table[i].dst, "ro", 1));
        if (table[i].state_dir != NULL) {
            json_object_set_new(p.spec, "state_dirs", json_pack("[s]", table[i].state_dir));
        }
        expect(&p, 125, table[i].why);
    }
}

static void home_may_be_a_folder(void **state)
{
    (void)state;
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/house", base);
    assert_int_equal(mkdir(folder, 0700), 0);
    own(folder);
    struct play p = player(ARGV("/bin/sh", "-c", "echo kept > $HOME/file"));
    json_object_set_new(p.spec, "home", json_string(folder));
    expect(&p, 0, NULL);
    strcat(folder, "/file");
    struct stat st;
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_uid,
                     who == PLAY_AS_ORDINARY && geteuid() == 0 ? PLAY_ORDINARY : getuid());
}

/* A connection of the sandbox, accepted outside, as the inner door would. */
static void captured(const char *host, const char *port, const char *seen)
{
    struct play p = player(ARGV("./inside", "connects", host, port));
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    p.stdio[1] = out[1];
    assert_true(play_start(&p) && play_go(&p));
    struct pollfd ready = {.fd = p.tcp, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    int fd = accept4(p.tcp, NULL, NULL, SOCK_CLOEXEC);
    struct sockaddr_in6 to;
    socklen_t len = sizeof(to);
    char text[INET6_ADDRSTRLEN];
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
    assert_string_equal(inet_ntop(AF_INET6, &to.sin6_addr, text, sizeof(text)), seen);
    assert_int_equal(ntohs(to.sin6_port), atoi(port));
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    assert_int_equal(write(fd, "answered\n", 9), 9);
    close(fd);
    assert_int_equal(play_end(&p), 0);
    assert_int_equal(read(out[0], text, sizeof(text)), 9);
    close(out[0]);
    close(out[1]);
}

static void connections_arrive_outside(void **state)
{
    (void)state;
    captured("93.184.216.34", "443", "::ffff:93.184.216.34");
    captured("93.184.216.34", "8443", "::ffff:93.184.216.34");
    captured("2001:db8::5", "80", "2001:db8::5");
}

static void read_ready(int fd)
{
    char text[8];
    assert_int_equal(read(fd, text, sizeof(text)), 6);
}

static void signals_reach_the_command(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        char number[8];
        int out[2];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        snprintf(number, sizeof(number), "%d", signals[i]);
        struct play p = player(ARGV("./inside", "catches", number));
        p.stdio[1] = out[1];
        assert_true(play_start(&p) && play_go(&p));
        read_ready(out[0]);
        assert_true(p.start.pid > 0);
        assert_int_equal(kill(p.start.pid, signals[i]), 0);
        assert_int_equal(play_end(&p), 7);
        close(out[0]);
        close(out[1]);
    }
    expect_argv(ARGV("./inside", "orphans"), 0, NULL);
}

static void terminal_is_the_commands(void **state)
{
    (void)state;
    struct isolate_pty pty;
    struct error err;
    struct winsize size = {.ws_row = 11, .ws_col = 77};
    assert_int_equal(isolate_pty_open(-1, &pty, &err), 0);
    assert_int_equal(ioctl(pty.outer, TIOCSWINSZ, &size), 0);
    struct play p = player(ARGV("./inside", "terminal"));
    p.tty = true;
    p.stdio[0] = p.stdio[1] = p.stdio[2] = pty.inner;
    bool ok = play_start(&p) && play_go(&p);
    close(pty.inner);
    assert_true(ok);
    char text[256] = {0};
    size_t len = 0;
    for (ssize_t n; (n = read(pty.outer, text + len, sizeof(text) - 1 - len)) > 0;) {
        len += (size_t)n; /* EIO at the end, when nobody has the inner end any more */
    }
    assert_int_equal(play_end(&p), 0);
    assert_non_null(strstr(text, "77x11"));
    close(pty.outer);
}

/* The one who started the launcher is killed: nothing of the sandbox may live on. */
static void dies_with_the_supervisor(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        struct play p = player(ARGV("./inside", "lingers"));
        p.stdio[1] = out[1];
        if (!play_start(&p) || !play_go(&p)) {
            _exit(1);
        }
        pause();
    }
    close(out[1]);
    read_ready(out[0]);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    waitpid(supervisor, NULL, 0);
    struct pollfd gone = {.fd = out[0], .events = 0};
    assert_int_equal(poll(&gone, 1, 5000), 1); /* the child in its own session held the pipe */
    assert_true((gone.revents & POLLHUP) != 0);
    close(out[0]);
}

static int count_lines(const char *path)
{
    int count = 0;
    FILE *f = fopen(path, "re");
    for (int c; f != NULL && (c = fgetc(f)) != EOF;) {
        count += c == '\n';
    }
    if (f != NULL) {
        fclose(f);
    }
    return count;
}

/* Entries whose name starts with prefix. */
static int count_folder(const char *path, const char *prefix)
{
    int count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        count += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static void nothing_is_left(void **state)
{
    (void)state;
    char cache[128];
    snprintf(cache, sizeof(cache), "%s/.cache/sallyport", home);
    SHELL("true", 0, NULL);
    const int mounts = count_lines("/proc/self/mountinfo");
    const int entries = count_folder(project, "");
    for (int i = 0; i < 20; i++) {
        SHELL("true", 0, NULL);
        expect_argv(ARGV("no-such-program"), 127, NULL);
        struct play p = player(ARGV("/bin/true"));
        json_object_set_new(p.spec, "cwd", json_string("/no/such/folder"));
        expect(&p, 1, "start the sandbox: Can't chdir to /no/such/folder");
    }
    assert_int_equal(count_lines("/proc/self/mountinfo"), mounts);
    assert_int_equal(count_folder(project, ""), entries);
    assert_int_equal(count_folder(cache, "new-"), 0); /* half-built copies of /etc */
}

static void root_is_given_away(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    struct play p = player(ARGV("/bin/sh", "-c", "id -u; touch made; ls -n made"));
    json_object_set_new(p.spec, "uid", json_integer(2000000007));
    json_object_set_new(p.spec, "gid", json_integer(2000000007));
    expect(&p, 0, "2000000007\n");
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/made", project);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 0); /* the owner's on disk */
    expect_argv(ARGV("/bin/sh", "-c", "! chmod u+s made"), 0, NULL);
}

/* A file system that cannot be id-mapped: the owner if that is not root, else a reason. */
static void no_id_map_no_root(void **state)
{
    (void)state;
    char folder[160];
    char lower[160];
    char options[600];
    if (geteuid() != 0) {
        skip();
    }
    snprintf(folder, sizeof(folder), "%s/overlay", base);
    snprintf(lower, sizeof(lower), "%s/lower", base);
    mkdir(folder, 0755);
    mkdir(lower, 0755);
    snprintf(options, sizeof(options), "lowerdir=%s:%s,userxattr", lower, project);
    if (mount("overlay", folder, "overlay", 0, options) != 0) {
        skip();
    }
    struct play p = player(ARGV("/bin/true"));
    json_object_set_new(p.spec, "cwd", json_string("/tmp"));
    json_object_set_new(p.spec, "binds",
                        json_pack("[{s:s, s:s, s:b}]", "src", folder, "dst", folder, "ro", 0));
    expect(&p, 125, ":ro");
    p = player(ARGV("/bin/sh", "-c", "cat /x/conf/app/wrangler.jsonc"));
    json_object_set_new(p.spec, "cwd", json_string("/tmp"));
    json_object_set_new(p.spec, "binds",
                        json_pack("[{s:s, s:s, s:b}]", "src", folder, "dst", "/x", "ro", 1));
    expect(&p, 0, "{}");
    assert_int_equal(umount(folder), 0);
    assert_int_equal(chown(lower, PLAY_ORDINARY, PLAY_ORDINARY), 0);
    assert_int_equal(mount("overlay", folder, "overlay", 0, options), 0);
    p = player(ARGV("/bin/sh", "-c", "id -u"));
    json_object_set_new(p.spec, "cwd", json_string("/tmp"));
    json_object_set_new(p.spec, "binds",
                        json_pack("[{s:s, s:s, s:b}]", "src", folder, "dst", "/x", "ro", 0));
    expect(&p, 0, "65534\n");
    assert_int_equal(umount(folder), 0);
}

#define BOTH                                                                                       \
    cmocka_unit_test(status_is_the_commands), cmocka_unit_test(network_is_only_lo),                \
        cmocka_unit_test(descriptors_are_three),                                                   \
        cmocka_unit_test(nested_namespaces_change_nothing),                                        \
        cmocka_unit_test(secrets_show_as_empty), cmocka_unit_test(policy_is_read_only),            \
        cmocka_unit_test(policy_behind_a_link_is_refused),                                         \
        cmocka_unit_test(git_runs_nothing_of_theirs),                                              \
        cmocka_unit_test(sockets_in_the_root_are_masked), cmocka_unit_test(view_is_an_allow_list), \
        cmocka_unit_test(environment_is_exact), cmocka_unit_test(binds_are_refused),               \
        cmocka_unit_test(home_may_be_a_folder), cmocka_unit_test(connections_arrive_outside),      \
        cmocka_unit_test(signals_reach_the_command), cmocka_unit_test(terminal_is_the_commands),   \
        cmocka_unit_test(dies_with_the_supervisor), cmocka_unit_test(nothing_is_left)

int main(void)
{
    const struct CMUnitTest as_is[] = {BOTH, cmocka_unit_test(root_is_given_away),
                                       cmocka_unit_test(no_id_map_no_root)};
    const struct CMUnitTest ordinary[] = {BOTH};
    int failed = cmocka_run_group_tests_name("as is", as_is, setup_as_is, remove_folders);
    failed += cmocka_run_group_tests_name("ordinary", ordinary, setup_ordinary, remove_folders);
    return failed;
}
