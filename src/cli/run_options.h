/*
 * run_options: what `run`, `up` and `check -c` were asked for, and the spec that comes of it.
 */
#ifndef SALLYPORT_CLI_RUN_OPTIONS_H
#define SALLYPORT_CLI_RUN_OPTIONS_H

#include "cli/command.h"
#include "config/config.h"

struct run_options {
    const char *config;
    const char *class_name;
    const char *id;
    struct spec_strings allow;
    struct spec_strings deny;
    bool no_internet;
    struct spec_strings inject;
    struct spec_strings secret;
    struct spec_strings env;
    struct spec_strings bind;
    const char *home;
    struct spec_strings mask;
    struct spec_strings writable;
    const char *upstream_ca;
    struct spec_strings allow_tcp;
    struct spec_strings resolve;
    struct spec_strings allow_private;
    const char *log;

    /* `up` alone */
    bool daemon; /* set by the command, not by an option */
    const char *listen;
    const char *state;
    bool watch;
};

/* Each ends with name NULL. */
extern const struct arg_option run_option_table[];
extern const struct arg_option up_option_table[];

/* What can be told from the words alone: ids, globs, grammars. Before any file is read. */
int run_options_check(const struct run_options *o, struct error *err);

/* Reads the configuration, makes the bundle, takes the secrets. Fills s for SPEC_RUN (with `daemon`
 * for SPEC_UP) but for mode, argv and the check fields; notes get what the user should know. */
int run_options_spec(const struct run_options *o, struct spec *s, struct spec_strings *notes,
                     struct error *err);

void run_options_free(struct run_options *o);

#endif
