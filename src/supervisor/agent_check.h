/*
 * agent_check: what may stand in the fields of the agent protocol, in both directions.
 *
 * What an agent says is hostile; what is said to it may come from a runtime. Nothing here has a
 * state: whether a process is known and a call is open is agent_link's.
 */
#ifndef SALLYPORT_SUPERVISOR_AGENT_CHECK_H
#define SALLYPORT_SUPERVISOR_AGENT_CHECK_H

#include "ipc/channel.h"
#include "supervisor/agent_link.h"

#define AGENT_SENTENCE_MAX 1024u /* bytes of a sentence that an agent says */

/* One frame of an agent, read. */
struct agent_word {
    uint16_t type;
    uint32_t number;    /* process or seq; 0 for READY */
    uint32_t value;     /* pid, status, exit status or signal */
    enum agent_end how; /* of EXITED */
    bool ok;            /* of REPLY */
    struct span text;   /* sentence or payload; lent from the message */
};

/* NULL, or which rule the frame breaks: text of static storage. */
const char *agent_check_word(const struct ipc_message *msg, struct agent_word *out);

/* Bytes below 0x20, 0x7f and above become \xNN: text is in `out`, which has room for four times
 * the length. What does not fit is cut. */
struct span agent_check_clean(struct span text, char *out, size_t size);

int agent_check_run(const struct agent_run *run, struct error *err);
int agent_check_session(const struct agent_session_call *call, struct error *err);

#endif
