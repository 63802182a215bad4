/* commands: the table entries, one file each. */
#ifndef SALLYPORT_CLI_COMMANDS_H
#define SALLYPORT_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_run;
extern const struct command command_up;
extern const struct command command_create;
extern const struct command command_exec;
extern const struct command command_deploy;
extern const struct command command_ps;
extern const struct command command_inspect;
extern const struct command command_rm;
extern const struct command command_handler;
extern const struct command command_allow;
extern const struct command command_deny;
extern const struct command command_call;
extern const struct command command_secret;
extern const struct command command_kv;
extern const struct command command_check;
extern const struct command command_types;
extern const struct command command_logs;
extern const struct command command_doctor;
extern const struct command command_version;
extern const struct command command_help;

#endif
