#include "cli/find.h"
#include "base/cleanup.h"
#include "cli/grammar.h"
#include "config/paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

bool find_is_absent(const struct error *err)
{
    return err->code == ENOENT || err->code == ECONNREFUSED || err->code == ENOTDIR;
}

struct client *find_daemon(struct error *err)
{
    cleanup_free char *path = NULL;
    return paths_control_socket(&path, err) < 0 ? NULL : client_open(path, err);
}

struct client *find_daemon_or_say(struct error *err)
{
    struct client *c = find_daemon(err);
    if (c == NULL && find_is_absent(err)) {
        int code = err->code;
        error_set(err, 0, "no daemon is up: `sallyport up` starts it");
        err->code = code;
    }
    return c;
}

/* Whether this end has the instance; negative when it could not be asked. An answer that is not
 * "no such instance", as that a name is ambiguous, is for the caller's own request to show. */
static int knows(struct client *c, const char *id, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    client_path_start(&r, "GET", "/v1/instances");
    if (!client_path_segment(&r, span_str(id))) {
        buf_free(&r.path);
        return error_set(err, ENOMEM, "instance %s", id);
    }
    int rc = client_call(c, &r, &reply, err);
    int found = rc < 0 ? rc : reply.status != 404;
    client_reply_free(&reply);
    return found;
}

static struct client *not_found(const char *id, struct error *err)
{
    error_set(err, 0,
              "instance %.200s: not running: no daemon is up: `sallyport up` starts it, "
              "`sallyport ps` lists what is",
              id);
    err->code = ENOENT;
    return NULL;
}

/* One `run` serves one instance, under its id. */
static struct client *find_run(const char *id, struct error *err)
{
    cleanup_free char *path = NULL;
    if (grammar_id(id, NULL) < 0) {
        return not_found(id, err);
    }
    if (paths_run_socket(id, &path, err) < 0) {
        return NULL;
    }
    struct client *c = client_open(path, err);
    return c == NULL && find_is_absent(err) ? not_found(id, err) : c;
}

/* A name that was never used stands for an object of the daemon's all the same: what is no `run` is
 * the daemon's to answer. */
struct client *find_instance(const char *id, struct error *err)
{
    if (grammar_name(id, err) < 0) {
        return NULL;
    }
    struct client *c = find_daemon(err);
    if (c == NULL) {
        return find_is_absent(err) ? find_run(id, err) : NULL;
    }
    int found = knows(c, id, err);
    struct error no_run;
    struct client *run = found == 0 ? find_run(id, &no_run) : NULL;
    if (found < 0 || run != NULL) {
        client_close(c);
        return run;
    }
    return c;
}

static bool is_run_socket(const char *name)
{
    size_t len = strlen(name);
    return len > 9 && strncmp(name, "run-", 4) == 0 && strcmp(name + len - 5, ".sock") == 0;
}

static int visit(struct client *c, find_fn each, void *arg, struct error *err)
{
    int rc = each(arg, c, err);
    client_close(c);
    return rc < 0 ? rc : 1;
}

static int visit_runs(const char *dir, find_fn each, void *arg, struct error *err)
{
    DIR *d = opendir(dir);
    int count = 0;
    int rc = 0;
    for (struct dirent *e; d != NULL && rc >= 0 && (e = readdir(d)) != NULL;) {
        cleanup_free char *path = is_run_socket(e->d_name) ? paths_clean(dir, e->d_name) : NULL;
        /* One that does not answer belongs to a run that was killed. */
        struct client *c = path != NULL ? client_open(path, NULL) : NULL;
        if (c != NULL) {
            rc = visit(c, each, arg, err);
            count += rc > 0 ? 1 : 0;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return rc < 0 ? rc : count;
}

int find_all(find_fn each, void *arg, struct error *err)
{
    int count = 0;
    struct client *daemon = find_daemon(err);
    if (daemon == NULL && !find_is_absent(err)) {
        return -1;
    }
    if (daemon != NULL) {
        int rc = visit(daemon, each, arg, err);
        if (rc < 0) {
            return rc;
        }
        count++;
    }
    cleanup_free char *dir = NULL;
    int rc = paths_runtime_dir(&dir, err);
    rc = rc < 0 ? rc : visit_runs(dir, each, arg, err);
    return rc < 0 ? rc : count + rc;
}
