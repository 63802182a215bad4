#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/exec_stream.h"
#include "cli/find.h"
#include "cli/grammar.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
    struct spec_strings env;
    const char *cwd;
    bool tty;
    bool no_tty;
};

static const struct arg_option options[] = {
    {.name = "env",
     .value = "K[=V]",
     .help = "environment of the command; K alone takes yours",
     .kind = ARG_LIST,
     .offset = offsetof(struct options, env)},
    {.name = "cwd",
     .value = "DIR",
     .help = "where the command starts, inside",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, cwd)},
    {.name = "tty",
     .letter = 't',
     .help = "a terminal of its own (default: when 0 and 1 are terminals)",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, tty)},
    {.name = "no-tty",
     .letter = 'T',
     .help = "none",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, no_tty)},
    {.name = NULL},
};

static json_t *pair_of(const char *name, const char *value)
{
    cleanup_free char *pair = NULL;
    if (asprintf(&pair, "%s=%s", name, value) < 0) {
        pair = NULL;
    }
    return pair != NULL ? json_string(pair) : NULL;
}

static json_t *env_of(const struct options *o, bool tty)
{
    json_t *env = json_array();
    int rc = 0;
    if (tty && getenv("TERM") != NULL) {
        rc = json_array_append_new(env, pair_of("TERM", getenv("TERM")));
    }
    for (size_t i = 0; rc == 0 && i < o->env.count; i++) {
        const char *word = o->env.items[i];
        const char *value = getenv(word);
        if (strchr(word, '=') != NULL) {
            rc = json_array_append_new(env, json_string(word));
        } else if (value != NULL) {
            rc = json_array_append_new(env, pair_of(word, value));
        }
    }
    if (rc < 0) {
        json_decref(env);
        return NULL;
    }
    return env;
}

/* NULL: something is not UTF-8. */
static json_t *body_of(const struct options *o, bool tty, int n, char **argv)
{
    json_t *list = json_array();
    json_t *env = env_of(o, tty);
    int rc = env == NULL ? -1 : 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = json_array_append_new(list, json_string(argv[i]));
    }
    json_t *body = json_object();
    json_object_set_new(body, "argv", list);
    json_object_set_new(body, "stdin", json_true());
    rc |= json_object_set_new(body, "env", env);
    if (o->cwd != NULL) {
        rc |= json_object_set_new(body, "cwd", json_string(o->cwd));
    }
    if (tty) {
        unsigned short rows, columns;
        exec_window(&rows, &columns);
        json_object_set_new(body, "tty", json_pack("{s:i, s:i}", "rows", rows, "cols", columns));
    }
    if (rc != 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

static int start(struct client *c, const char *id, const char *body, bool tty)
{
    struct client_request r;
    struct client_reply reply;
    struct error err;
    int status = EXIT_FAILED;
    ask_path(&r, "POST", id, "exec");
    r.body = span_str(body);
    exec_block_signals();
    int rc = client_upgrade(c, &r, "sallyport-exec", &reply, &err);
    if (rc == 0) {
        status = reply.status >= 400 ? ask_refused(&reply) : EXIT_FAILED;
    } else if (rc > 0) {
        rc = exec_stream_run(c, tty, &status, &err);
    }
    client_reply_free(&reply);
    return rc < 0 ? fail(&err) : status;
}

static int exec_in(const struct options *o, const char *id, int n, char **argv)
{
    struct error err;
    bool both = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    bool tty = o->tty || (both && !o->no_tty);
    json_t *body = body_of(o, tty, n, argv);
    cleanup_free char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text == NULL) {
        error_set(&err, 0, "exec: an argument is not UTF-8 text: give it through a file or stdin");
        return fail(&err);
    }
    struct client *c = find_instance(id, &err);
    if (c == NULL) {
        return fail(&err);
    }
    int status = start(c, id, text, tty);
    client_close(c);
    return status;
}

static int check(const struct options *o, const char *id, struct error *err)
{
    int rc = grammar_name(id, err);
    for (size_t i = 0; rc == 0 && i < o->env.count; i++) {
        rc = grammar_env(o->env.items[i], err);
    }
    if (rc == 0 && o->tty && o->no_tty) {
        rc = error_set(err, 0, "--tty and --no-tty: one of them");
    }
    return rc;
}

/* Options stand before the id or behind it, up to the command. */
static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {.cwd = NULL};
    struct error err;
    int n = 0;
    int rest = 0;
    int rc = args_read(self, argc, argv, &o, &n, &err);
    rc = rc < 0 || n == 0 ? rc : args_read(self, n - 1, argv + 1, &o, &rest, &err);
    if (rc == 0 && (n == 0 || rest == 0)) {
        rc = error_set(&err, 0, "exec: %s is missing", n == 0 ? "ID" : "COMMAND");
    }
    rc = rc < 0 ? rc : check(&o, argv[0], &err);
    int status = rc < 0 ? fail_usage(self, &err) : exec_in(&o, argv[0], rest, argv + 1);
    spec_strings_free(&o.env);
    return status;
}

const struct command command_exec = {
    .name = "exec",
    .usage = "ID [options] [--] COMMAND [ARG…]",
    .summary = "runs a command in a sandbox; exits with the command's status",
    .options = options,
    .stop_at_operand = true,
    .run = run,
};
