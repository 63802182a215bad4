#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/grammar.h"
#include "cli/run_options.h"
#include "cli/start.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

struct options {
    struct run_options run; /* those that shape a policy */
    const char *method;
    bool json;
};

#define RUN(n, l, v, k, f, h)                                                                      \
    {                                                                                              \
        .name = n, .letter = l, .value = v, .help = h, .kind = k,                                  \
        .offset = offsetof(struct options, run.f)                                                  \
    }

static const struct arg_option options[] = {
    RUN("config", 'c', "PATH", ARG_STRING, config, "the policy of a folder, file or module"),
    RUN("class", 0, "NAME", ARG_STRING, class_name, "exported class (default: the only one)"),
    RUN("allow", 0, "GLOB", ARG_LIST, allow, "with -c: as `run` has it"),
    RUN("deny", 0, "GLOB", ARG_LIST, deny, "with -c: as `run` has it"),
    RUN("no-internet", 0, NULL, ARG_FLAG, no_internet, "with -c: as `run` has it"),
    {.name = "request",
     .letter = 'X',
     .value = "METHOD",
     .help = "of the request (default: GET)",
     .kind = ARG_STRING,
     .offset = offsetof(struct options, method)},
    {.name = "json",
     .help = "one JSON line a URL",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, json)},
    {.name = NULL},
};

static const char *text_of(const json_t *d, const char *key)
{
    const char *text = json_string_value(json_object_get(d, key));
    return text != NULL ? text : "";
}

static void print_part(const char *lead, const char *text, const char *tail)
{
    if (text[0] != '\0') {
        fputs(lead, stdout);
        print_safe(text, strlen(text));
        fputs(tail, stdout);
    }
}

/* `deny    https://x/   allowedHosts` for people, the decision itself for programs. */
static void print_decision(const json_t *d, bool json)
{
    if (json) {
        json_dumpf(d, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    printf("%-8s", text_of(d, "decision"));
    print_part("", text_of(d, "url"), "  ");
    print_part("by ", text_of(d, "rule"), "");
    print_part(" \"", text_of(d, "pattern"), "\"");
    print_part(" handler ", text_of(d, "handler"), "");
    putchar('\n');
}

/* Lines of JSON from the supervisor, printed as they come. */
static int print_lines(int fd, bool json, struct error *err)
{
    struct buf in;
    buf_init(&in, 64 * 1024 * 1024);
    int rc = 0;
    for (;;) {
        char *to = buf_reserve(&in, 65536);
        ssize_t n = to != NULL ? read(fd, to, 65536) : -1;
        if (n < 0 && to != NULL && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            rc = n < 0 ? error_set(err, errno, "check: read the answer") : rc;
            break;
        }
        buf_commit(&in, (size_t)n);
        const char *end;
        while (buf_len(&in) > 0 && (end = memchr(buf_span(&in).ptr, '\n', buf_len(&in))) != NULL) {
            size_t len = (size_t)(end - buf_span(&in).ptr);
            json_t *d = json_loadb(buf_span(&in).ptr, len, 0, NULL);
            print_decision(d, json);
            json_decref(d);
            buf_consume(&in, len + 1);
        }
    }
    buf_free(&in);
    return rc;
}

static int check_config(const struct options *o, int count, char **urls)
{
    struct error err;
    struct spec s;
    struct spec_strings notes = {NULL, 0};
    if (run_options_spec(&o->run, &s, &notes, &err) < 0) {
        return fail(&err);
    }
    spec_strings_free(&notes);
    s.mode = SPEC_CHECK;
    s.check_method = strdup(o->method != NULL ? o->method : "GET");
    int out = -1;
    pid_t pid = -1;
    int rc = s.check_method != NULL ? 0 : error_set(&err, ENOMEM, "check");
    for (int i = 0; rc == 0 && i < count; i++) {
        rc = spec_strings_add(&s.check_urls, urls[i]) ? 0 : error_set(&err, ENOMEM, "check");
    }
    rc = rc < 0 ? rc : start_run_supervisor(&s, &out, &pid, &err);
    spec_free(&s);
    if (rc < 0) {
        return fail(&err);
    }
    rc = print_lines(out, o->json, &err);
    close(out);
    int status = start_wait(pid);
    return rc < 0 ? fail(&err) : status;
}

static int check_instance(const struct options *o, const char *id, int count, char **urls)
{
    struct error err;
    struct client_request r;
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(list, json_string(urls[i]));
    }
    json_t *body =
        json_pack("{s:s, s:o}", "method", o->method != NULL ? o->method : "GET", "urls", list);
    ask_path(&r, "POST", id, "check");
    struct client_reply reply;
    int rc = ask_instance_reply(id, &r, body, &reply, &err);
    json_decref(body);
    if (rc < 0) {
        return fail(&err);
    }
    json_t *doc = ask_json(&reply, &err);
    client_reply_free(&reply);
    json_t *results = json_object_get(doc, "results");
    for (size_t i = 0; i < json_array_size(results); i++) {
        print_decision(json_array_get(results, i), o->json);
    }
    json_decref(doc);
    return doc != NULL ? 0 : fail(&err);
}

static int run_checked(const struct command *self, const struct options *o, int n, char **argv)
{
    struct error err;
    bool instance = o->run.config == NULL && !o->run.no_internet && o->run.allow.count == 0 &&
                    o->run.deny.count == 0;
    if (run_options_check(&o->run, &err) < 0) {
        return fail_usage(self, &err);
    }
    if (instance && n >= 2) {
        return grammar_name(argv[0], &err) < 0 ? fail_usage(self, &err)
                                               : check_instance(o, argv[0], n - 1, argv + 1);
    }
    if (!instance && n >= 1) {
        return check_config(o, n, argv);
    }
    return ask_usage(self, "expected ID URL… or -c PATH URL…");
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {.method = NULL};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    status = status != 0 ? status : run_checked(self, &o, n, argv);
    run_options_free(&o.run);
    return status;
}

const struct command command_check = {
    .name = "check",
    .usage = "ID [-X METHOD] [--json] URL…\n-c PATH [--class C] [-X METHOD] [--json] URL…",
    .summary = "tells what would happen to a request, and by which rule; sends nothing",
    .options = options,
    .operands_most = OPERANDS_ANY,
    .run = run,
};
