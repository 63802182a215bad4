#include "config/paths.h"
#include "base/cleanup.h"

#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *absolute_env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

static const char *home_dir(void)
{
    const char *home = absolute_env("HOME");
    if (home == NULL) {
        const struct passwd *pw = getpwuid(geteuid());
        home = pw != NULL && pw->pw_dir != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
    }
    return home;
}

static int give(char *path, char **out, struct error *err)
{
    *out = path;
    return path != NULL ? 0 : error_set(err, ENOMEM, "path");
}

/* $VAR/sallyport when the variable is set, else HOME/fallback. */
static int user_dir(const char *var, const char *fallback, char **out, struct error *err)
{
    const char *base = absolute_env(var);
    if (base != NULL) {
        return give(paths_clean(base, "sallyport"), out, err);
    }
    base = home_dir();
    if (base == NULL) {
        return error_set(err, 0, "home folder: not known: set HOME");
    }
    return give(paths_clean(base, fallback), out, err);
}

int paths_user_state_dir(char **out, struct error *err)
{
    return user_dir("XDG_STATE_HOME", ".local/state/sallyport", out, err);
}

int paths_state_dir(char **out, struct error *err)
{
    const char *chosen = absolute_env("SALLYPORT_STATE");
    if (chosen != NULL) {
        return give(paths_clean("/", chosen), out, err);
    }
    return geteuid() == 0 ? give(strdup("/var/lib/sallyport"), out, err)
                          : paths_user_state_dir(out, err);
}

int paths_cache_dir(char **out, struct error *err)
{
    return user_dir("XDG_CACHE_HOME", ".cache/sallyport", out, err);
}

int paths_runtime_dir(char **out, struct error *err)
{
    const char *socket = absolute_env("SALLYPORT_SOCKET");
    if (socket != NULL) {
        return give(paths_clean(socket, ".."), out, err);
    }
    if (geteuid() == 0) {
        return give(strdup("/run/sallyport"), out, err);
    }
    return user_dir("XDG_RUNTIME_DIR", ".local/state/sallyport/run", out, err);
}

static int socket_in(const char *dir, const char *name, char **out, struct error *err)
{
    char *path = paths_clean(dir, name);
    if (path != NULL && strlen(path) > PATHS_SOCKET_MAX) {
        error_set(err, 0, "socket %s: longer than %u bytes: set SALLYPORT_SOCKET to a shorter path",
                  path, PATHS_SOCKET_MAX);
        free(path);
        return -1;
    }
    return give(path, out, err);
}

int paths_control_socket(char **out, struct error *err)
{
    const char *socket = absolute_env("SALLYPORT_SOCKET");
    if (socket != NULL) {
        return socket_in("/", socket, out, err);
    }
    cleanup_free char *dir = NULL;
    int rc = paths_runtime_dir(&dir, err);
    return rc < 0 ? rc : socket_in(dir, "control.sock", out, err);
}

int paths_run_socket(const char *id, char **out, struct error *err)
{
    cleanup_free char *dir = NULL;
    cleanup_free char *name = NULL;
    int rc = paths_runtime_dir(&dir, err);
    if (rc == 0 && asprintf(&name, "run-%s.sock", id) < 0) {
        name = NULL;
        rc = error_set(err, ENOMEM, "path");
    }
    return rc < 0 ? rc : socket_in(dir, name, out, err);
}

char *paths_clean(const char *base, const char *path)
{
    if (path[0] == '/') {
        base = "";
    }
    size_t room = strlen(base) + strlen(path) + 3;
    char *whole = malloc(room);
    char *out = malloc(room);
    if (whole == NULL || out == NULL) {
        free(whole);
        free(out);
        return NULL;
    }
    snprintf(whole, room, "%s/%s", base, path);
    size_t len = 0;
    char *save = NULL;
    for (char *part = strtok_r(whole, "/", &save); part != NULL;
         part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, ".") == 0) {
            continue;
        }
        if (strcmp(part, "..") == 0) {
            while (len > 0 && out[--len] != '/') {
            }
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, part, strlen(part));
        len += strlen(part);
    }
    if (len == 0) {
        out[len++] = '/';
    }
    out[len] = '\0';
    free(whole);
    return out;
}

char *paths_objects_dir(const char *state_dir, const char *run_id)
{
    char *dir = NULL;
    int n = run_id != NULL ? asprintf(&dir, "%s/run-%s/objects", state_dir, run_id)
                           : asprintf(&dir, "%s/objects", state_dir);
    return n < 0 ? NULL : dir;
}

int paths_make_dir(const char *dir, struct error *err)
{
    cleanup_free char *path = strdup(dir);
    if (path == NULL) {
        return error_set(err, ENOMEM, "make folder %s", dir);
    }
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        bool last = *p == '\0';
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            /* A parent on a read-only file system that exists answers EROFS. */
            struct stat st;
            int why = errno;
            if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                return error_set(err, 0,
                                 "make folder %s: %s: set HOME, or XDG_STATE_HOME, XDG_CACHE_HOME "
                                 "and XDG_RUNTIME_DIR, to folders that you can write",
                                 path, strerror(why));
            }
        }
        if (last) {
            return 0;
        }
        *p = '/';
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

void paths_remove_dir(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
