#include "supervisor/agent_check.h"

#include "base/cleanup.h"
#include "ipc/conversations.h"
#include "isolate/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_MAX_BYTES 256u /* of a session, a label */
#define CWD_MAX        4096u

/* ---- what the agent says ---- */

/* Digits without a leading zero, at most `most`. */
static bool number_read(struct span s, uint32_t most, uint32_t *out)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 10 || (s.len > 1 && s.ptr[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *out = (uint32_t)v;
    return v <= most;
}

static const char *const end_names[] = {"exit", "signal", "timeout", "lost"};
_Static_assert(sizeof end_names / sizeof *end_names == AGENT_END_LOST + 1, "a name for each end");

const char *agent_end_name(enum agent_end how)
{
    return end_names[how];
}

static const char *read_exited(const struct span *f, struct agent_word *out)
{
    for (unsigned how = 0; how < AGENT_END_LOST; how++) { /* lost is ours to say */
        if (span_eq(f[1], span_str(end_names[how]))) {
            const uint32_t most = how == AGENT_END_EXIT ? 255 : NSIG - 1;
            out->how = (enum agent_end)how;
            return number_read(f[2], most, &out->value) && (how == AGENT_END_EXIT || out->value > 0)
                       ? NULL
                       : "exited: a number that is no status";
        }
    }
    return "exited: an end of an unknown kind";
}

const char *agent_check_word(const struct ipc_message *msg, struct agent_word *out)
{
    const struct span *f = msg->fields;
    *out = (struct agent_word){.type = msg->type};
    if (msg->type == AGENT_READY) {
        return f[0].len <= 64 ? NULL : "ready: a version that is too long";
    }
    if (!number_read(f[0], UINT32_MAX, &out->number) || out->number == 0) {
        return "a number that is none";
    }
    switch (msg->type) {
    case AGENT_STARTED:
        return number_read(f[1], INT32_MAX, &out->value) && out->value > 0
                   ? NULL
                   : "started: a pid that is none";
    case AGENT_REFUSED:
        out->text = f[2];
        return number_read(f[1], 127, &out->value) && out->value >= 125 &&
                       f[2].len <= AGENT_SENTENCE_MAX
                   ? NULL
                   : "refused: a status or sentence out of bounds";
    case AGENT_EXITED:
        return read_exited(f, out);
    default: /* AGENT_REPLY */
        out->ok = span_eq(f[1], SPAN_LIT("ok"));
        out->text = f[2];
        if (!out->ok && (!span_eq(f[1], SPAN_LIT("error")) || f[2].len > AGENT_SENTENCE_MAX)) {
            return "reply: neither ok nor a sentence";
        }
        return NULL;
    }
}

struct span agent_check_clean(struct span text, char *out, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 4 <= size; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c < 0x7f) {
            out[len++] = (char)c;
        } else {
            out[len++] = '\\';
            out[len++] = 'x';
            out[len++] = hex[c >> 4];
            out[len++] = hex[c & 15];
        }
    }
    return span_of(out, len);
}

/* ---- what is said to it ---- */

static bool has_flag(struct span flags, char flag)
{
    return flags.len > 0 && memchr(flags.ptr, flag, flags.len) != NULL;
}

static int check_flags(const struct agent_run *run, struct error *err)
{
    bool seen[128] = {0};
    for (size_t i = 0; i < run->flags.len; i++) {
        const unsigned char c = (unsigned char)run->flags.ptr[i];
        if (c >= 128 || strchr("tsfbi", c) == NULL || c == 0 || seen[c]) {
            return error_set(err, 0, "run: flags are letters of \"tsfbi\", each once");
        }
        seen[c] = true;
    }
    if ((seen['s'] && seen['f']) || (seen['b'] && (seen['i'] || seen['t'] || seen['f'])) ||
        (seen['t'] && !seen['i'])) {
        return error_set(err, 0, "run: flags that contradict each other");
    }
    const size_t want = seen['b'] ? 0 : seen['i'] ? 3 : 2;
    return run->fd_count == want ? 0 : error_set(err, 0, "run: not as many streams as flags say");
}

/* The calls that have a socket, made here: the agent's own code has it, and no program. */
static bool has_socket(const struct agent_run *run)
{
    return has_flag(run->flags, 'f') &&
           (span_starts(run->argv, span_of("connect", sizeof "connect")) ||
            span_starts(run->argv, span_of("write", sizeof "write")));
}

/* Nothing leads out of the sandbox: no folder, no device, no socket but of a file call. */
static int check_descriptors(const struct agent_run *run, struct error *err)
{
    const bool socket = has_socket(run);
    for (size_t i = 0; i < run->fd_count; i++) {
        const enum isolate_fd_kind kind = isolate_fd_classify(run->fds[i]);
        const bool terminal = kind == ISOLATE_FD_TERMINAL && has_flag(run->flags, 't');
        const bool joined = kind == ISOLATE_FD_SOCKET && socket && i == 0;
        if (!isolate_fd_safe(kind) && !terminal && !joined) {
            return error_set(err, 0,
                             "run: stream %zu is %s: a sandbox gets pipes, files or a terminal of "
                             "ours",
                             i, isolate_fd_kind_name(kind));
        }
    }
    return 0;
}

static bool has_nul(struct span s)
{
    return s.len > 0 && memchr(s.ptr, 0, s.len) != NULL;
}

/* Strings with a NUL behind each. */
static bool words_ok(struct span s)
{
    return s.len <= AGENT_WORDS_MAX && (s.len == 0 || s.ptr[s.len - 1] == 0);
}

static int check_place(struct span name, struct span cwd, struct span env, struct error *err)
{
    if (name.len > NAME_MAX_BYTES || has_nul(name)) {
        return error_set(err, 0, "session: a name has at most %u bytes", NAME_MAX_BYTES);
    }
    if (cwd.len > CWD_MAX || has_nul(cwd)) {
        return error_set(err, 0, "cwd: a path has at most %u bytes", CWD_MAX);
    }
    if (!words_ok(env)) {
        return error_set(err, E2BIG, "env: over %u bytes", AGENT_WORDS_MAX);
    }
    return 0;
}

int agent_check_run(const struct agent_run *run, struct error *err)
{
    uint32_t timeout;
    int rc = check_flags(run, err);
    if (rc == 0) {
        rc = check_place(run->session, run->cwd, run->env, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (run->timeout_ms.len > 0 && !number_read(run->timeout_ms, UINT32_MAX, &timeout)) {
        return error_set(err, 0, "run: a timeout is a number of milliseconds below 2^32");
    }
    if (run->label.len > NAME_MAX_BYTES || has_nul(run->label)) {
        return error_set(err, 0, "run: a label has at most %u bytes", NAME_MAX_BYTES);
    }
    if (run->argv.len == 0 || !words_ok(run->argv)) {
        return error_set(err, run->argv.len == 0 ? 0 : E2BIG, "run: the command");
    }
    return check_descriptors(run, err);
}

int agent_check_session(const struct agent_session_call *call, struct error *err)
{
    return check_place(call->name, call->cwd, call->env, err);
}
