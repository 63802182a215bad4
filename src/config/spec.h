/*
 * spec: everything `sallyport run`, `up` and `check -c` decided before the supervisor starts.
 *
 * The CLI parses options, reads the configuration, bundles the module, and writes one JSON object
 * into a memfd whose number is the supervisor's only argument (`sallyport-supervisor --spec=N`).
 * The bundle and its source map are two more inherited memfds, named by number inside. Secret
 * values travel in this memfd and nowhere else: the reader parses it, then closes it.
 *
 * Paths are absolute and lexically clean (no `.`, `..`, doubled slash). Strings hold no NUL.
 * A NULL string or an empty list means: not given. Reading is strict: an unknown or repeated field,
 * a wrong type, a missing field of the mode is an error and leaves nothing behind.
 */
#ifndef SALLYPORT_CONFIG_SPEC_H
#define SALLYPORT_CONFIG_SPEC_H

#include "base/error.h"
#include "base/span.h"

#define SPEC_BYTES_MAX (8u * 1024u * 1024u)

enum spec_mode {
    SPEC_RUN,   /* one sandbox for one command, then the end */
    SPEC_CHECK, /* no sandbox: load the module, judge check_urls, print a JSON line each */
    SPEC_UP,    /* the daemon: many sandboxes, the Worker's fetch() on `listen` */
};

struct spec_strings {
    char **items; /* count of them, none NULL */
    size_t count;
};

struct spec_secret {
    char *name;  /* [A-Za-z_][A-Za-z0-9_]{0,127} */
    char *value; /* UTF-8, no control byte but HTAB, CR, LF; at most 64 KiB */
};

struct spec_bind {
    char *source; /* exists, symbolic links resolved */
    char *target; /* where it stands inside */
    bool read_only;
};

struct spec {
    enum spec_mode mode;
    char *id;         /* of the instance; for SPEC_CHECK any; NULL for SPEC_UP */
    char *class_name; /* NULL: the module's only class. SPEC_UP: that of `create` without --class */
    bool keep_state;  /* the id was chosen: what is set at run time outlives this run */

    /* For the runtime, passed on as bytes (docs/control.md): `app`, `options` (of each instance).
     */
    char *app;
    char *options;
    int bundle_fd; /* owned by the spec: memfds, empty without a module. -1 after steal_fd */
    int map_fd;
    struct spec_secret *secrets;
    size_t secret_count;

    /* The policy's own files. */
    char *config;     /* the file of it: wrangler.jsonc, or the module; NULL without one */
    char *config_dir; /* folder of the configuration or module; NULL without one */
    struct spec_strings
        inputs;     /* every file that was read, and folders of sources: read-only inside */
    char *dev_vars; /* dotenv beside the configuration, NULL when there was none */
    struct spec_strings dev_vars_ours; /* names in it that --secret overrides: not to be reread */

    /* The view of files. SPEC_UP: of every sandbox; no bind unless asked for. */
    struct spec_bind *binds;
    size_t bind_count;
    char *home;                   /* folder for $HOME; NULL: an empty tmpfs */
    struct spec_strings masks;    /* globs of names in binds, besides .dev.vars and .env* */
    struct spec_strings writable; /* paths whose read-only default is lifted */

    /* The command. */
    struct spec_strings argv;
    struct spec_strings env; /* `K=V` of --env, over what the launcher starts from */
    char *cwd;               /* inside; SPEC_UP: /workspace, made by the launcher, or a bind's */

    /* SPEC_UP */
    char *listen;              /* `ADDR:PORT`, `[v6]:PORT`; literal addresses; port 0: any */
    struct spec_strings crons; /* five-field expressions, as `triggers.crons` has them */
    bool watch;                /* deploys by itself when a file of the configuration changes */

    /* SPEC_CHECK */
    char *check_method;
    struct spec_strings check_urls;

    /* Ours. */
    struct spec_strings private_paths; /* our state, cache and sockets: no bind may meet one */
    char *log;       /* egress events as JSON lines: a path, or "-" for descriptor 2; NULL: none */
    char *state_dir; /* folder of the store, may not exist yet */
    char *socket;    /* control socket to serve; NULL for SPEC_CHECK */
};

/* Gives *out, with every descriptor it names; spec_free releases both. The descriptors must be
 * open memfds. */
int spec_parse(struct span json, struct spec *out, struct error *err);
/* Reads and closes fd (given). */
int spec_read(int fd, struct spec *out, struct error *err);

/* A memfd without CLOEXEC that holds the JSON, read offset 0; -errno on failure. The bundle and
 * map descriptors of s must be inheritable by the time of the exec. */
int spec_write(const struct spec *s, struct error *err);

/* Wipes the secrets first. A zeroed spec with descriptors -1 is allowed. */
void spec_free(struct spec *s);
void spec_init(struct spec *s); /* empty, descriptors -1 */

/* Adds a copy; false when memory is out. */
bool spec_strings_add(struct spec_strings *list, const char *text);
void spec_strings_free(struct spec_strings *list); /* wipes; empty afterwards */

/* Makes jansson wipe what it frees, in this process, from now on: called first by each process
 * that handles a spec. */
void spec_json_wipe_on_free(void);

#endif
