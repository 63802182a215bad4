#include "base/clock.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/deploy_say.h"
#include "cli/find.h"
#include "cli/follow.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
    const char *config;
    bool follow;
};

static const struct arg_option options[] = {
    {.name = "config",
     .letter = 'c',
     .value = "PATH",
     .help = "folder, file or module (default: what the daemon was started with)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, config)},
    {.name = "follow",
     .letter = 'f',
     .help = "goes on: deploys whenever a file of it changes",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, follow)},
    {.name = NULL},
};

/* What the daemon was started with; *out is given. */
static int ask_config(struct client *c, char **out, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    client_path_start(&r, "GET", "/v1/health");
    int rc = client_do(c, &r, &reply, err);
    if (rc < 0) {
        return rc;
    }
    json_t *health = ask_json(&reply, err);
    const char *config = json_string_value(json_object_get(health, "config"));
    *out = config != NULL ? strdup(config) : NULL;
    json_decref(health);
    client_reply_free(&reply);
    return *out != NULL ? 0
                        : error_set(err, 0,
                                    "deploy: the daemon was started without a "
                                    "configuration: name one with -c PATH");
}

static int deploy(struct client *c, const char *path, struct error *err)
{
    struct deploy d;
    json_t *answer = NULL;
    uint64_t began = clock_monotonic_ms();
    int rc = deploy_read(path, &d, err);
    for (size_t i = 0; rc == 0 && i < d.config.notes.count; i++) {
        print_note(d.config.notes.items[i]);
    }
    rc = rc < 0 ? rc : deploy_send(c, &d, &answer, err);
    if (rc == 0) {
        deploy_say(&d, answer, clock_monotonic_ms() - began);
    }
    json_decref(answer);
    deploy_free(&d);
    return rc;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {NULL, false};
    struct error err;
    char *asked = NULL;
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status != 0) {
        return status;
    }
    struct client *c = find_daemon_or_say(&err);
    int rc = c == NULL ? -1 : 0;
    rc = rc < 0 || o.config != NULL ? rc : ask_config(c, &asked, &err);
    const char *path = o.config != NULL ? o.config : asked;
    if (rc == 0 && o.follow) {
        setlinebuf(stdout);
        client_close(c);
        c = NULL;
        rc = follow(path, &err);
    } else if (rc == 0) {
        rc = deploy(c, path, &err);
    }
    client_close(c);
    free(asked);
    return rc < 0 ? fail(&err) : 0;
}

const struct command command_deploy = {
    .name = "deploy",
    .usage = "[-c PATH] [--follow]",
    .summary = "gives the daemon new code; what runs goes on, open requests end on the old",
    .options = options,
    .run = run,
};
