#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/find.h"

#include <stddef.h>
#include <stdio.h>

struct options {
    bool json;
};

static const struct arg_option options[] = {
    ARG_OPTION_JSON(struct options),
    {.name = NULL},
};

static int add_instances(void *arg, struct client *c, struct error *err)
{
    struct client_request r;
    struct client_reply reply;
    client_path_start(&r, "GET", "/v1/instances");
    int rc = client_do(c, &r, &reply, err);
    if (rc < 0) {
        return rc;
    }
    json_t *doc = ask_json(&reply, err);
    client_reply_free(&reply);
    json_array_extend(arg, json_object_get(doc, "instances"));
    json_decref(doc);
    return doc != NULL ? 0 : -1;
}

static void print_text(const json_t *object, const char *key, int width)
{
    const char *text = json_string_value(json_object_get(object, key));
    text = text != NULL ? text : "-";
    print_safe(text, strlen(text));
    for (int n = (int)strlen(text); n < width + 1; n++) {
        putchar(' ');
    }
}

enum { COLUMNS = 4, WIDEST = 64 };

/* The columns of text, as wide as their widest entry. */
static const struct {
    const char *key, *title;
    int least;
} columns[COLUMNS] = {
    {"id", "ID", 20}, {"name", "NAME", 4}, {"class", "CLASS", 8}, {"state", "STATE", 8}};

static int width_of(const json_t *all, const char *key, int least)
{
    int width = least;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *text = json_object_get(json_array_get(all, i), key);
        int len = json_string_length(text) < WIDEST ? (int)json_string_length(text) : WIDEST;
        width = len > width ? len : width;
    }
    return width;
}

static void print_row(const json_t *instance, const int *widths)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        print_text(instance, columns[i].key, widths[i]);
    }
    printf("%-8lld", json_integer_value(json_object_get(instance, "pid")));
    print_text(instance, "started", 24);
    json_t *command = json_object_get(instance, "command");
    for (size_t i = 0; i < json_array_size(command); i++) {
        const char *word = json_string_value(json_array_get(command, i));
        putchar(' ');
        print_safe(word, strlen(word));
    }
    putchar('\n');
}

static void print_table(const json_t *all)
{
    int widths[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) {
        widths[i] = width_of(all, columns[i].key, columns[i].least);
        printf("%-*s ", widths[i], columns[i].title);
    }
    printf("%-7s %-24s %s\n", "PID", "STARTED", "COMMAND");
    for (size_t i = 0; i < json_array_size(all); i++) {
        print_row(json_array_get(all, i), widths);
    }
}

static int run(const struct command *self, int argc, char **argv)
{
    struct options o = {false};
    int n = 0;
    int status = ask_args(self, argc, argv, &o, &n);
    if (status != 0) {
        return status;
    }
    struct error err;
    json_t *all = json_array();
    int rc = find_all(add_instances, all, &err);
    for (size_t i = 0; i < json_array_size(all); i++) {
        ask_name_class(json_array_get(all, i));
    }
    if (rc >= 0 && o.json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (rc >= 0) {
        print_table(all);
    }
    json_decref(all);
    return rc < 0 ? fail(&err) : 0;
}

const struct command command_ps = {
    .name = "ps",
    .usage = "[--json]",
    .summary = "lists what runs",
    .options = options,
    .run = run,
};
