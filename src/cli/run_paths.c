#include "cli/run_paths.h"
#include "base/cleanup.h"
#include "config/paths.h"

#include <errno.h>
#include <sys/stat.h>

/* Opened by the supervisor; what it would stumble over is told now. */
static int fill_log(const char *log, struct spec *s, struct error *err)
{
    cleanup_free char *here = getcwd(NULL, 0);
    s->log = strcmp(log, "-") == 0 ? strdup("-") : here != NULL ? paths_clean(here, log) : NULL;
    if (s->log == NULL) {
        return error_set(err, ENOMEM, "--log");
    }
    cleanup_free char *dir = s->log[0] == '/' ? paths_clean(s->log, "..") : NULL;
    struct stat st;
    if (dir == NULL) {
        return 0;
    }
    if (stat(s->log, &st) == 0) {
        bool good = !S_ISDIR(st.st_mode) && access(s->log, W_OK) == 0;
        return good ? 0 : error_set(err, S_ISDIR(st.st_mode) ? EISDIR : errno, "--log %s", log);
    }
    return access(dir, W_OK) == 0 ? 0 : error_set(err, errno, "--log %s", log);
}

static int fill_private(struct spec *s, struct error *err)
{
    char *paths[3] = {NULL, NULL, NULL};
    int rc = paths_user_state_dir(&paths[0], err);
    rc = rc < 0 ? rc : paths_control_socket(&paths[1], err);
    rc = rc < 0 ? rc : paths_cache_dir(&paths[2], err);
    const char *const all[] = {s->state_dir, s->socket, paths[0], paths[1], paths[2]};
    for (size_t i = 0; rc == 0 && i < sizeof all / sizeof *all; i++) {
        rc = spec_strings_add(&s->private_paths, all[i]) ? 0 : error_set(err, ENOMEM, "spec");
    }
    for (size_t i = 0; i < 3; i++) {
        free(paths[i]);
    }
    return rc;
}

static int fill_state(const char *chosen, struct spec *s, struct error *err)
{
    cleanup_free char *here = getcwd(NULL, 0);
    if (chosen == NULL) {
        return paths_state_dir(&s->state_dir, err);
    }
    if (chosen[0] != '/' && here == NULL) {
        return error_set(err, 0, "--state %s: the current folder is gone: give a whole path",
                         chosen);
    }
    s->state_dir = paths_clean(here != NULL ? here : "/", chosen);
    return s->state_dir != NULL ? 0 : error_set(err, ENOMEM, "--state");
}

/* The daemon makes the folder; whether it could is told before anything else is done. */
static int check_state(const char *dir, struct error *err)
{
    struct stat st;
    cleanup_free char *place = strdup(dir);
    while (place != NULL && stat(place, &st) < 0 && errno == ENOENT && strcmp(place, "/") != 0) {
        char *up = paths_clean(place, "..");
        free(place);
        place = up;
    }
    int why = place == NULL                    ? ENOMEM
              : stat(place, &st) < 0           ? errno
              : !S_ISDIR(st.st_mode)           ? ENOTDIR
              : access(place, W_OK | X_OK) < 0 ? errno
                                               : 0;
    return why == 0 ? 0
                    : error_set(err, 0,
                                "state folder %s: %s: name one that you can write with "
                                "--state DIR",
                                dir, strerror(why));
}

static int fill_socket(const struct run_options *o, struct spec *s, struct error *err)
{
    return o->daemon ? paths_control_socket(&s->socket, err)
                     : paths_run_socket(s->id, &s->socket, err);
}

int run_paths_fill(const struct run_options *o, struct spec *s, struct error *err)
{
    int rc = fill_state(o->state, s, err);
    rc = rc < 0 || !o->daemon ? rc : check_state(s->state_dir, err);
    rc = rc < 0 ? rc : fill_socket(o, s, err);
    rc = rc < 0 ? rc : fill_private(s, err);
    return rc < 0 || o->log == NULL ? rc : fill_log(o->log, s, err);
}
