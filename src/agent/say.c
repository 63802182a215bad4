#include "agent/agent.h"

#include "ipc/conversations.h"

#include <stdio.h>

#define SENTENCE_MAX 1000u

/* The supervisor always reads; when it is gone, so is the sandbox. */
static void say(struct agent *a, uint16_t type, const struct span *fields, size_t count)
{
    if (ipc_send_blocking(a->socket, type, fields, count, NULL, 0, NULL) < 0) {
        agent_exit(125);
    }
}

static struct span number(char *text, size_t size, uint64_t n)
{
    return span_of(text, (size_t)snprintf(text, size, "%llu", (unsigned long long)n));
}

static struct span sentence(const char *why)
{
    struct span s = span_str(why);
    s.len = s.len < SENTENCE_MAX ? s.len : SENTENCE_MAX;
    return s;
}

void say_ready(struct agent *a)
{
    const struct span version = SPAN_LIT(SALLYPORT_VERSION);
    say(a, AGENT_READY, &version, 1);
}

void say_started(struct agent *a, uint32_t process, pid_t pid)
{
    char n[2][24];
    const struct span f[] = {number(n[0], sizeof n[0], process),
                             number(n[1], sizeof n[1], (uint64_t)pid)};
    say(a, AGENT_STARTED, f, 2);
}

void say_refused(struct agent *a, uint32_t process, int status, const char *why)
{
    char n[2][24];
    const struct span f[] = {number(n[0], sizeof n[0], process),
                             number(n[1], sizeof n[1], (uint64_t)status), sentence(why)};
    say(a, AGENT_REFUSED, f, 3);
}

void say_exited(struct agent *a, uint32_t process, const char *how, int value)
{
    char n[2][24];
    const struct span f[] = {number(n[0], sizeof n[0], process), span_str(how),
                             number(n[1], sizeof n[1], (uint64_t)value)};
    say(a, AGENT_EXITED, f, 3);
}

void say_reply(struct agent *a, struct span seq, bool ok, struct span payload)
{
    const struct span f[] = {seq, ok ? SPAN_LIT("ok") : SPAN_LIT("error"), payload};
    say(a, AGENT_REPLY, f, 3);
}

void say_error(struct agent *a, struct span seq, const char *why)
{
    say_reply(a, seq, false, sentence(why));
}

uint32_t number_read(struct span s)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 10) {
        return 0;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return 0;
        }
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return v <= UINT32_MAX ? (uint32_t)v : 0;
}
