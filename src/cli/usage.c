#include "cli/command.h"

#include <stdio.h>
#include <string.h>

/* Each form of the usage on a line of its own. */
static void print_forms(const struct command *c)
{
    const char *form = c->usage;
    do {
        size_t len = strcspn(form, "\n");
        printf("  sallyport %s%s%.*s\n", c->name, len > 0 ? " " : "", (int)len, form);
        form += len + (form[len] == '\n' ? 1 : 0);
    } while (*form != '\0');
}

static void print_option(const struct arg_option *o)
{
    char left[80];
    char letter[8] = "    ";
    if (o->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    }
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value != NULL ? " " : "",
             o->value != NULL ? o->value : "");
    printf("  %-36s %s\n", left, o->help);
}

void usage_print(const struct command *c)
{
    if (c == NULL) {
        puts("sallyport: an egress gate for sandboxes\n");
        for (size_t i = 0; cli_commands[i] != NULL; i++) {
            printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
        }
        puts("\n`sallyport help COMMAND` tells more of one; `man sallyport` tells all.");
        return;
    }
    printf("%s\n\n", c->summary);
    print_forms(c);
    if (c->options != NULL) {
        puts("");
    }
    for (const struct arg_option *o = c->options; o != NULL && o->name != NULL; o++) {
        print_option(o);
    }
}
