#include "isolate/start_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void isolate_start_report_init(struct isolate_start_report *r)
{
    memset(r, 0, sizeof(*r));
}

void isolate_start_report_feed(struct isolate_start_report *r, struct span bytes)
{
    size_t room = sizeof(r->text) - 1 - r->len;
    size_t take = bytes.len < room ? bytes.len : room;
    for (size_t i = 0; i < take; i++) {
        char c = bytes.ptr[i];
        r->text[r->len++] = c == '\0' ? '?' : c;
    }
    r->text[r->len] = '\0';
    static const char key[] = "\"child-pid\": ";
    const char *at = strstr(r->text, key);
    if (at != NULL && strpbrk(at, ",}\n") != NULL) {
        long pid = strtol(at + sizeof(key) - 1, NULL, 10);
        r->pid = pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
    }
    r->started = strstr(r->text, ISOLATE_START_REPORT_OK) != NULL;
}

static const struct {
    const char *sign;
    const char *remedy;
} remedies[] = {
    {"mount proc", "inside a container /proc must not be masked: --security-opt "
                   "systempaths=unconfined, or --privileged"},
    {"uid map", "this system takes the rights of user namespaces away: see `sallyport doctor`"},
    {"new namespace", "this system limits namespaces: see `sallyport doctor`"},
    {"Can't chdir", "the folder must be open to its owner: chmod u+rx"},
    {"No such file", "does every bound folder still exist?"},
};

void isolate_start_report_failure(const struct isolate_start_report *r, char *line, size_t size)
{
    const char *why = strstr(r->text, "bwrap: ");
    if (why == NULL) {
        snprintf(line, size,
                 "start the sandbox: it ended before the command: see `sallyport doctor`");
        return;
    }
    why += strlen("bwrap: ");
    const size_t len = strcspn(why, "\n");
    const char *remedy = "see `sallyport doctor`";
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
        const char *at = strstr(why, remedies[i].sign);
        if (at != NULL && at < why + len) {
            remedy = remedies[i].remedy;
            break;
        }
    }
    snprintf(line, size, "start the sandbox: %.*s: %s", (int)len, why, remedy);
}
