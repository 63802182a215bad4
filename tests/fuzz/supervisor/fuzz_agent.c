/* What an agent says, frame by frame, and what is said to it with the same bytes as its fields. */
#include "ipc/conversations.h"
#include "ipc/frame.h"
#include "supervisor/agent_check.h"

#include <signal.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what) {
        abort();
    }
}

/* Whatever passes is within what agent_link takes for granted. */
static void word(const struct ipc_message *msg)
{
    static char clean[AGENT_SENTENCE_MAX * 4];
    struct agent_word w;
    const char *why = agent_check_word(msg, &w);
    if (why != NULL) {
        must(*why != '\0' && strchr(why, '\n') == NULL);
        return;
    }
    must(w.type == msg->type && (w.type == AGENT_READY || w.number > 0));
    must(w.type != AGENT_REFUSED || (w.value >= 125 && w.value <= 127));
    must(w.type != AGENT_EXITED || (w.how < AGENT_END_LOST && w.value <= 255));
    must(w.type != AGENT_EXITED || w.how == AGENT_END_EXIT || (w.value > 0 && w.value < NSIG));
    struct span s = agent_check_clean(w.text, clean, sizeof clean);
    for (size_t i = 0; i < s.len; i++) {
        must((unsigned char)s.ptr[i] >= 0x20 && (unsigned char)s.ptr[i] < 0x7f);
    }
}

/* Fields of a runtime on their way to an agent: without descriptors only flag b can pass. */
static void run(const struct ipc_message *msg)
{
    struct error err;
    const struct span *f = msg->fields;
    struct agent_run what = {.flags = f[1],
                             .timeout_ms = f[2],
                             .session = f[3],
                             .label = f[4],
                             .cwd = f[5],
                             .env = f[6],
                             .argv = f[7]};
    if (agent_check_run(&what, &err) == 0) {
        must(memchr(what.flags.ptr, 'b', what.flags.len) != NULL);
        must(what.argv.len > 0 && what.argv.ptr[what.argv.len - 1] == '\0');
        must(what.env.len == 0 || what.env.ptr[what.env.len - 1] == '\0');
    }
    struct agent_session_call call = {.op = f[1], .name = f[3], .cwd = f[5], .env = f[6]};
    (void)agent_check_session(&call, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bool says = size > 0 && (data[0] & 1) == 0;
    struct span in = size > 0 ? span_of(data + 1, size - 1) : span_of("", 0);
    for (;;) {
        struct ipc_message msg = {0};
        size_t need = 0;
        const char *why = NULL;
        if (frame_parse(in, says ? ipc_agent_says : ipc_agent_hears, &msg, &need, &why) !=
            FRAME_WHOLE) {
            return 0;
        }
        if (says) {
            word(&msg);
        } else if (msg.type == AGENT_RUN) {
            run(&msg);
        }
        in = span_from(in, need);
    }
}
