/*
 * command: one subcommand is one table entry: its words for people, its options, its function.
 * Usage text and option parsing come from the same table.
 */
#ifndef SALLYPORT_CLI_COMMAND_H
#define SALLYPORT_CLI_COMMAND_H

#include "base/error.h"
#include "config/spec.h"

/* Exit statuses of our own; a command's own status is passed on as it is. */
#define EXIT_USAGE  2
#define EXIT_FAILED 125

enum arg_kind {
    ARG_FLAG,   /* bool */
    ARG_STRING, /* const char *, lent from argv; given twice is an error */
    ARG_LIST,   /* struct spec_strings */
};

struct arg_option {
    const char *name;  /* without "--" */
    char letter;       /* 0: none */
    const char *value; /* what the value is called, NULL for ARG_FLAG */
    const char *help;
    enum arg_kind kind;
    size_t offset; /* of the field in the command's own options struct */
};

/* Of a command whose options struct has `bool json`. */
#define ARG_OPTION_JSON(type)                                                                      \
    {                                                                                              \
        .name = "json", .help = "for programs", .kind = ARG_FLAG, .offset = offsetof(type, json)   \
    }

#define OPERANDS_ANY (-1)

struct command {
    const char *name;
    const char *usage;                /* what follows the name, one line a form, split by '\n' */
    const char *summary;              /* one line */
    const struct arg_option *options; /* ends with name NULL; NULL: none */
    bool stop_at_operand;             /* what follows the first operand is not ours to read */
    int operands_least;
    int operands_most; /* OPERANDS_ANY: as many as one likes */
    int (*run)(const struct command *self, int argc, char **argv);
};

/* Every command, in the order of the help; ends with name NULL. */
extern const struct command *const cli_commands[];

/* Reads argv (without the command's name). Operands are moved to its front in their order and
 * counted in *operands; "--" ends the options. On failure a usage sentence is in err. */
int args_read(const struct command *c, int argc, char **argv, void *into, int *operands,
              struct error *err);

/* Prints usage of one command, or of all when c is NULL. */
void usage_print(const struct command *c);

/* `sallyport: sentence` on descriptor 2; control bytes are made visible. Both return the status. */
int fail_usage(const struct command *c, const struct error *err); /* 2, with where to read more */
int fail(const struct error *err);                                /* 125 */
void print_note(const char *text);                                /* the same without a status */

/* Text of others, for a terminal: control bytes become \xNN. */
void print_safe(const char *text, size_t len);

#endif
