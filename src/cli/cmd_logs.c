#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"
#include "cli/grammar.h"

#include <stddef.h>
#include <stdio.h>

struct options {
    bool follow;
    bool json;
};

static const struct arg_option options[] = {
    {.name = "follow",
     .letter = 'f',
     .help = "goes on with what comes",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, follow)},
    {.name = "json",
     .help = "JSON lines as they are",
     .kind = ARG_FLAG,
     .offset = offsetof(struct options, json)},
    {.name = NULL},
};

static void print_member(const json_t *e, const char *lead, const char *key)
{
    const json_t *v = json_object_get(e, key);
    const char *text = json_string_value(v);
    if (text != NULL && text[0] != '\0') {
        fputs(lead, stdout);
        print_safe(text, strlen(text));
    } else if (json_is_integer(v)) {
        printf("%s%lld", lead, json_integer_value(v));
    }
}

/* Its name, or its id where no name is known. */
static void print_instance(const json_t *e)
{
    print_member(e, " ", json_object_get(e, "name") != NULL ? "name" : "instance");
}

/* `TIME NAME deny 520 GET https://host:443/path by allowedHosts` */
static void print_egress(const json_t *e)
{
    print_member(e, "", "time");
    print_instance(e);
    print_member(e, " ", "decision");
    print_member(e, " ", "status");
    print_member(e, " ", "method");
    print_member(e, " ", "scheme");
    print_member(e, "://", "host");
    print_member(e, ":", "port");
    print_member(e, "", "path");
    print_member(e, " by ", "rule");
    print_member(e, " \"", "pattern");
    fputs(json_string_length(json_object_get(e, "pattern")) > 0 ? "\"" : "", stdout);
    print_member(e, " handler ", "handler");
    print_member(e, " error ", "error");
    print_member(e, " CA rejected by ", "ca_rejected");
    print_member(e, " ", "ms");
    fputs(json_is_integer(json_object_get(e, "ms")) ? "ms\n" : "\n", stdout);
}

static void print_log(const json_t *e)
{
    print_member(e, "", "time");
    print_instance(e);
    print_member(e, " ", "level");
    print_member(e, ": ", "text");
    putchar('\n');
}

static bool print_event(void *arg, struct span event, struct span data)
{
    const struct options *o = arg;
    if (o->json) {
        fwrite(data.ptr, 1, data.len, stdout);
        putchar('\n');
    } else {
        json_t *e = json_loadb(data.ptr, data.len, 0, NULL);
        if (span_eq(event, SPAN_LIT("lost"))) {
            printf("… %lld lines were not kept\n", json_integer_value(json_object_get(e, "lines")));
        } else if (span_eq(event, SPAN_LIT("log"))) {
            print_log(e);
        } else {
            print_egress(e);
        }
        json_decref(e);
    }
    return fflush(stdout) == 0;
}

static int read_events(const struct options *o, const char *id, struct client *c, struct error *err)
{
    struct client_request r;
    client_path_start(&r, "GET", "/v1/events");
    client_path_query(&r, "follow", o->follow ? SPAN_LIT("true") : SPAN_LIT("false"));
    if (id != NULL) {
        client_path_query(&r, "instance", span_str(id));
    }
    struct options copy = *o;
    return client_events(c, &r, print_event, &copy, err);
}

static int read_each(void *arg, struct client *c, struct error *err)
{
    return read_events(arg, NULL, c, err);
}

static int of_one(const struct options *o, const char *id, struct error *err)
{
    struct client *c = find_instance(id, err);
    int rc = c != NULL ? read_events(o, id, c, err) : -1;
    client_close(c);
    return rc;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {false, false};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    struct error err;
    if (status == 0 && n == 1 && grammar_name(argv[0], &err) < 0) {
        status = fail_usage(self, &err);
    }
    if (status != 0) {
        return status;
    }
    int rc = n == 1 ? of_one(&o, argv[0], &err) : find_all(read_each, &o, &err);
    if (n == 0 && rc == 0) {
        rc = error_set(&err, 0, "logs: nothing runs: `sallyport run --log FILE` keeps events");
    }
    return rc < 0 ? fail(&err) : 0;
}

const struct command command_logs = {
    .name = "logs",
    .usage = "[-f] [--json] [ID]",
    .summary = "egress events and the handlers' console of what runs",
    .options = options,
    .operands_most = 1,
    .run = run,
};
