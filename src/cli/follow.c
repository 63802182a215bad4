#include "cli/follow.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/ask.h"
#include "cli/deploy.h"
#include "cli/deploy_say.h"
#include "cli/find.h"
#include "cli/watch.h"
#include "config/paths.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOCK_GRAIN_NS 20000000u /* stamps of files are as coarse as the kernel's ticks */

/* A runtime that is being replaced is there again before that. */
#define BUSY_TRIES 50
#define BUSY_MS    200

struct follow {
    const char *path;
    struct watch watch;
    uint64_t daemon_start;       /* wall clock; 0: not known */
    uint64_t deployed;           /* hash of what the daemon has, or refused; 0: not known */
    char last[ERROR_TEXT_BYTES]; /* what was told last is not told again */
};

static bool changed_since(const struct spec_strings *files, uint64_t since_ns)
{
    for (size_t i = 0; i < files->count; i++) {
        struct stat st;
        uint64_t changed = UINT64_MAX;
        if (stat(files->items[i], &st) == 0) {
            changed = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
        }
        if (changed >= since_ns - CLOCK_GRAIN_NS) {
            return true;
        }
    }
    return false;
}

/* When a process started, wall clock; 0 when that cannot be told. */
static uint64_t start_of(pid_t pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL) {
        fclose(f);
    }
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    /* Field 22; the name in brackets is the second. */
    for (int i = 0; at != NULL && i < 20; i++) {
        at = strchr(at + 1, ' ');
    }
    uint64_t ticks = at != NULL ? strtoull(at, NULL, 10) : 0;
    long rate = sysconf(_SC_CLK_TCK);
    if (ticks == 0 || rate <= 0) {
        return 0;
    }
    uint64_t since_boot = ticks * (1000000000u / (uint64_t)rate);
    return clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_BOOTTIME) - since_boot);
}

/* The start of the daemon, when it is our parent: it read everything after that. */
static uint64_t start_of_parent(void)
{
    struct client *c = find_daemon(NULL);
    struct client_request r;
    struct client_reply reply;
    json_int_t pid = 0;
    if (c == NULL) {
        return 0;
    }
    client_path_start(&r, "GET", "/v1/health");
    if (client_do(c, &r, &reply, NULL) == 0) {
        json_t *health = ask_json(&reply, NULL);
        pid = json_integer_value(json_object_get(health, "pid"));
        json_decref(health);
        client_reply_free(&reply);
    }
    client_close(c);
    return pid == getppid() ? start_of((pid_t)pid) : 0;
}

static void tell(struct follow *f, const struct error *why)
{
    if (strcmp(f->last, why->text) != 0) {
        char text[ERROR_TEXT_BYTES + 64];
        snprintf(text, sizeof text, "%s: the code before it goes on", why->text);
        print_note(text);
        snprintf(f->last, sizeof f->last, "%s", why->text);
    }
}

/* A refusal is told; only that there is no daemon is a failure. */
static int send_it(struct follow *f, const struct deploy *d, struct error *err)
{
    struct client *c = find_daemon_or_say(err);
    if (c == NULL) {
        return -1;
    }
    struct error why;
    json_t *answer = NULL;
    uint64_t began = clock_monotonic_ms();
    int rc = deploy_send(c, d, &answer, &why);
    for (int i = 0; rc < 0 && why.code == EAGAIN && i < BUSY_TRIES; i++) {
        poll(NULL, 0, BUSY_MS);
        rc = deploy_send(c, d, &answer, &why);
    }
    if (rc < 0) {
        tell(f, &why);
    } else {
        f->last[0] = '\0';
        deploy_say(d, answer, clock_monotonic_ms() - began);
    }
    f->deployed = d->hash;
    json_decref(answer);
    client_close(c);
    return 0;
}

static int watch_sources(struct follow *f, const struct deploy *d, size_t *added, struct error *err)
{
    struct spec_strings files = {NULL, 0};
    bool good = true;
    for (size_t i = 0; good && i < d->sources.file_count; i++) {
        good = spec_strings_add(&files, d->sources.inputs.items[i]);
    }
    const char *const more[] = {d->config.file, d->config.dev_vars};
    for (size_t i = 0; good && i < 2; i++) {
        good = more[i] == NULL || spec_strings_add(&files, more[i]);
    }
    int rc = good ? watch_files(&f->watch, &files, added, err) : error_set(err, ENOMEM, "watch");
    spec_strings_free(&files);
    return rc;
}

/* What the daemon read at its start is there already, unless a file changed since. */
static uint64_t hash_of_daemon(const struct follow *f, const struct deploy *d)
{
    return f->daemon_start != 0 && !changed_since(&f->watch.files, f->daemon_start) ? d->hash : 0;
}

/* One reading. *again: it may be older than the watch. */
static int look(struct follow *f, bool first, bool *again, struct error *err)
{
    struct deploy d;
    struct error why;
    size_t added = 0;
    uint64_t began = clock_ns(CLOCK_REALTIME);
    int rc = deploy_read(f->path, &d, &why);
    f->watch.broken = rc < 0;
    *again = false;
    if (rc < 0) {
        tell(f, &why);
        rc = 0;
    } else {
        rc = watch_sources(f, &d, &added, err);
        f->deployed = rc == 0 && first ? hash_of_daemon(f, &d) : f->deployed;
        *again = rc == 0 && added > 0 && changed_since(&f->watch.files, began);
        if (rc == 0 && !*again && d.hash != f->deployed) {
            rc = send_it(f, &d, err);
        } else if (rc == 0 && !*again) {
            f->last[0] = '\0'; /* back to what runs */
        }
    }
    deploy_free(&d);
    return rc;
}

/* The folder that is watched also when nothing in it can be read. */
static int watch_root(struct follow *f, struct error *err)
{
    size_t added = 0;
    struct stat st;
    cleanup_free char *real = realpath(f->path, NULL);
    if (real == NULL || stat(real, &st) < 0) {
        return error_set(err, errno, "config %s", f->path);
    }
    cleanup_free char *dir = S_ISDIR(st.st_mode) ? strdup(real) : paths_clean(real, "..");
    return dir != NULL ? watch_folder(&f->watch, dir, &added, err)
                       : error_set(err, ENOMEM, "watch");
}

int follow(const char *path, struct error *err)
{
    struct follow f = {.path = path, .daemon_start = start_of_parent()};
    int rc = watch_open(&f.watch, err);
    rc = rc < 0 ? rc : watch_root(&f, err);
    bool first = true;
    while (rc == 0) {
        bool again = false;
        rc = look(&f, first, &again, err);
        first = first && again;
        rc = rc < 0 || again ? rc : watch_wait(&f.watch, err);
    }
    watch_close(&f.watch);
    return rc;
}
