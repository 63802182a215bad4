#include "cli/command.h"

#include <errno.h>
#include <string.h>

static void *field(void *into, const struct arg_option *o)
{
    return (char *)into + o->offset;
}

static const struct arg_option *find_name(const struct command *c, const char *name, size_t len)
{
    for (const struct arg_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static const struct arg_option *find_letter(const struct command *c, char letter)
{
    for (const struct arg_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

static int store(const struct arg_option *o, void *into, const char *value, struct error *err)
{
    void *place = field(into, o);
    switch (o->kind) {
    case ARG_FLAG:
        *(bool *)place = true;
        return 0;
    case ARG_STRING:
        if (*(const char **)place != NULL) {
            return error_set(err, 0, "--%s: given twice", o->name);
        }
        *(const char **)place = value;
        return 0;
    case ARG_LIST:
        return spec_strings_add(place, value) ? 0 : error_set(err, ENOMEM, "--%s", o->name);
    }
    return -1;
}

/* One word that starts with '-'. *next is the word behind it, NULL at the end; it is set to NULL
 * when it was used. */
static int read_option(const struct command *c, char *word, char **next, void *into,
                       struct error *err)
{
    bool is_long = word[1] == '-';
    char *equals = is_long ? strchr(word, '=') : NULL;
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct arg_option *o =
        is_long ? find_name(c, word + 2, len - 2) : find_letter(c, word[1]);
    if (o == NULL) {
        return error_set(err, 0, "%.*s: no such option", (int)(is_long ? len : 2), word);
    }
    char *attached =
        is_long ? (equals != NULL ? equals + 1 : NULL) : (word[2] != '\0' ? word + 2 : NULL);
    if (o->kind == ARG_FLAG) {
        return attached != NULL ? error_set(err, 0, "--%s: takes no value", o->name)
                                : store(o, into, NULL, err);
    }
    if (attached == NULL) {
        attached = *next;
        *next = NULL;
    }
    if (attached == NULL) {
        return error_set(err, 0, "--%s: %s is missing", o->name, o->value);
    }
    return store(o, into, attached, err);
}

int args_read(const struct command *c, int argc, char **argv, void *into, int *operands,
              struct error *err)
{
    int count = 0;
    int i = 0;
    for (; i < argc && argv[i] != NULL; i++) {
        char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (c->stop_at_operand) {
                break;
            }
            argv[count++] = word;
            continue;
        }
        char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool had_next = next != NULL;
        int rc = read_option(c, word, &next, into, err);
        if (rc < 0) {
            return rc;
        }
        i += had_next && next == NULL ? 1 : 0;
    }
    while (i < argc) {
        argv[count++] = argv[i++];
    }
    *operands = count;
    return 0;
}
