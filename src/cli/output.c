#include "cli/command.h"

#include <stdio.h>
#include <string.h>

/* A text of several lines, a stack for one, stays on one. */
void print_safe(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            putchar(' ');
            while (i + 1 < len && text[i + 1] == ' ') {
                i++;
            }
        } else if (c < 0x20 || c == 0x7f) {
            printf("\\x%02x", c);
        } else {
            putchar(c);
        }
    }
}

void print_note(const char *text)
{
    char line[ERROR_TEXT_BYTES * 4 + 16];
    size_t n = (size_t)snprintf(line, sizeof line, "sallyport: ");
    for (const char *p = text; *p != '\0' && n < sizeof line - 8; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n') {
            line[n++] = ' ';
            p += strspn(p + 1, " ");
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(line + n, sizeof line - n, "\\x%02x", c);
        } else {
            line[n++] = *p;
        }
    }
    line[n++] = '\n';
    fflush(stdout);
    fwrite(line, 1, n, stderr);
}

int fail(const struct error *err)
{
    print_note(err->text);
    return EXIT_FAILED;
}

int fail_usage(const struct command *c, const struct error *err)
{
    char text[ERROR_TEXT_BYTES + 64];
    snprintf(text, sizeof text, "%s: see `sallyport help%s%s`", err->text, c != NULL ? " " : "",
             c != NULL ? c->name : "");
    print_note(text);
    return EXIT_USAGE;
}
