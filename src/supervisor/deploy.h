/*
 * deploy: another app in the place of the one that serves: checked, loaded by the runtime, and only
 * then what this process holds for every runtime that starts from now on.
 */
#ifndef SALLYPORT_SUPERVISOR_DEPLOY_H
#define SALLYPORT_SUPERVISOR_DEPLOY_H

#include "supervisor/crontab.h"
#include "supervisor/runtime_link.h"

struct supervisor;

struct deploy {
    char *app; /* JSON */
    int bundle_fd;
    int map_fd;
    char *class_name;
    char *config;
    char *config_dir;
    char *dev_vars;
    struct spec_strings inputs;
    struct spec_strings crons;
    struct crontab *crontab; /* made of crons: they can be read */
};

/* body: JSON of PUT /v1/app. What the options of `up` said stays. */
int deploy_parse(struct supervisor *s, struct span body, struct deploy *out, struct error *err);
struct runtime_app deploy_app(const struct deploy *d);
/* The runtime has it: takes everything out of d. */
void deploy_commit(struct supervisor *s, struct deploy *d);
void deploy_free(struct deploy *d);

#endif
