/*
 * conversations: every message between the supervisor and its children. A pair that is not here
 * cannot talk. Direction, fields in order, descriptors in order. `json` fields are read by the
 * receiver with jansson only where the sender is trusted by it; the supervisor never parses a field
 * that a runtime or a sidecar sent: it stores, compares or relays the bytes.
 *
 * seq and call are decimal numbers chosen by the asker and echoed by the answer.
 * An "ok" field is "ok", or "error"; with "error" the next field is the sentence.
 */
#ifndef SALLYPORT_IPC_CONVERSATIONS_H
#define SALLYPORT_IPC_CONVERSATIONS_H

#include "ipc/channel.h"

enum ipc_launcher_message {
    /* supervisor -> launcher */
    LAUNCHER_START = 1, /* [spec json]  fds: the agent's end of its socket pair. What to build
                           (launcher/spec.h) */
    LAUNCHER_GO, /* [CA certificate, PEM]       put it into the trust files, become bubblewrap */
    /* launcher -> supervisor */
    LAUNCHER_SOCKETS, /* []        fds: TCP capture listener, UDP DNS socket, TCP DNS listener,
                                        the network namespace (for doctor and tests), the read end
                                        of the start report (isolate/start_report.h) */
    LAUNCHER_FAILED,  /* [sentence] and exit */
};

enum ipc_sidecar_message {
    /* supervisor -> sidecar */
    SIDECAR_START = 1, /* [instance id, intercept https "1"/"0", CA certificate DER or empty]
                          fds: TCP listener, UDP DNS, TCP DNS, gate socket, CA key memory
                          (memfd of 32 bytes, the raw P-256 scalar; all zero: make a new CA),
                          user namespace, network namespace (both to be entered, then closed) */
    SIDECAR_GATE,      /* []  fds: a new gate socket; the old one is dead */
    SIDECAR_INTERCEPT, /* ["1"/"0"]  the class said otherwise than START; holds for connections
                          accepted from now on, then answered by READY once more. Sent before the
                          sandbox runs */
    SIDECAR_FRONT,     /* [name]  fds: TCP listener, gate socket, user namespace, network namespace.
                          Instead of START: the front door, plain HTTP from the world to the
                          Worker's own fetch(). No CA, no DNS; READY carries an empty field */
    SIDECAR_DRAIN,     /* []  front door: accept no more; each connection ends with the answer it is
                          at; exits once there is none */
    /* sidecar -> supervisor */
    SIDECAR_READY,  /* [CA certificate DER]  confined, listening, serving */
    SIDECAR_FAILED, /* [sentence] and exit */
};

/* Exit statuses of a runtime that its watchdog ended. */
enum ipc_runtime_exit {
    IPC_RUNTIME_EXIT_CPU = 86,
    IPC_RUNTIME_EXIT_MEMORY = 87,
    IPC_RUNTIME_EXIT_LOAD = 88,
};

enum ipc_runtime_message {
    /* supervisor -> runtime */
    RUNTIME_SECRET = 1,   /* [seq, name, value, "put"/"rm"]  also before START; answered by REPLY */
    RUNTIME_START,        /* [app json]  fds: bundle (memfd), source map (memfd). docs/control.md */
    RUNTIME_INSTANCE_ADD, /* [seq, id, class, name, options json, stored state json or empty]
                             fds: gate socket.  REPLY payload: instance facts json. An object that
                             code opened before gets the gate; its state field is not looked at */
    RUNTIME_INSTANCE_REMOVE, /* [seq, id]  all of it goes */
    RUNTIME_INSTANCE_ENDED,  /* [seq, id, exit status, sentence or empty]  the sandbox has ended:
                                its gate and flows go, the object stays and its hooks run. REPLY
                                once its last events were sent */
    RUNTIME_GATE,            /* [id]  fds: gate socket of a new sidecar */
    RUNTIME_CALL,       /* [seq, id, method, arguments json array]  REPLY payload: result json */
    RUNTIME_CHECK,      /* [seq, id, method, url]  REPLY payload: decision json; sends nothing */
    RUNTIME_STATE_DONE, /* [call, ok, sentence] */
    RUNTIME_KV_DONE,    /* [call, ok, payload, metadata json or empty]  see RUNTIME_KV */
    RUNTIME_DEPLOY,     /* [seq, app json]  fds: bundle, source map. The new version serves from the
                           next request on, open ones end on the old. REPLY payload: app facts; an
                           error leaves the old in place */
    RUNTIME_FRONT,      /* []  fds: gate socket of a front door: the Worker's fetch() serves it */
    RUNTIME_NAME,       /* [seq, class or empty, name]  REPLY payload: "ID CLASS", the id that the
                           name has in that class (64 hex digits) */
    RUNTIME_FIRE,       /* [seq, kind "alarm"/"scheduled", id or empty, class, name, detail json]
                           REPLY: it ran to its end without an error */
    RUNTIME_OBJECT_DONE,    /* [call, ok, state json or empty; or sentence, options json, class,
                               name or empty] */
    RUNTIME_CONTAINER_DONE, /* [call, ok, payload or sentence]  fds: what the op gives, 0 to 3 */
    RUNTIME_PROCESS,    /* [id, process, how "exit"/"signal"/"timeout"/"lost", number]  a process
                           that a "run" started has ended */
    RUNTIME_ALARM_DONE, /* [call, ok, time in ms or empty; or sentence] */
    RUNTIME_INSTANCE_STARTED, /* [id, "new"/"again"]  its agent is ready. new: the hook onStart
                                 runs; again: it ran before this runtime took over */
    /* runtime -> supervisor */
    RUNTIME_READY, /* [app facts json: classes and what each configures]  module evaluated, confined
                    */
    RUNTIME_FAILED,    /* [sentence] and exit */
    RUNTIME_REPLY,     /* [seq, ok, payload json or sentence] */
    RUNTIME_STATE,     /* [call, id, state json]  persist the instance's overrides */
    RUNTIME_KV,        /* [call, op "get"/"put"/"delete"/"list", namespace, key or prefix, value,
                          options json]. get: payload is the value, ok "none" when there is no key.
                          list: payload is the json of keys */
    RUNTIME_EVENT,     /* [instance id, json lines joined by newline]  egress events, contract 4 */
    RUNTIME_LOG,       /* [instance id or empty, level, text]  console.* and failures of handlers */
    RUNTIME_OBJECT,    /* [call, id, class, name or empty]  code uses an object that is not here:
                          answered by OBJECT_DONE with what is stored of it. class empty: the
                          supervisor itself named the id (CALL, CHECK) and knows its class */
    RUNTIME_CONTAINER, /* [call, id, op, eight fields]  what code asks of a sandbox,
                          docs/control.md; answered by CONTAINER_DONE. The fields of "run" are
                          AGENT_RUN's, relayed */
    RUNTIME_ALARM,     /* [call, id, op "set"/"get"/"delete", time in ms or empty] */
};

/* The agent runs inside the sandbox: the supervisor holds every frame of it for hostile, reads it
 * without room for descriptors, and bounds it to AGENT_BODY_MAX. docs/agent-protocol.md. */
#define AGENT_BODY_MAX (64u * 1024u)

enum ipc_agent_message {
    /* supervisor -> agent */
    AGENT_RUN = 1,   /* [process, flags, timeout ms, session, label, cwd, env, argv]
                        fds: the process's 0, 1, 2 (as many as the flags say) */
    AGENT_SIGNAL,    /* [process, signal number] to its group */
    AGENT_SESSION,   /* [seq, op "create"/"delete"/"list"/"set", name, cwd, env]  REPLY */
    AGENT_PROCESSES, /* [seq]  REPLY payload: json of the background processes */
    AGENT_LOGS,      /* [seq, process, "follow" or empty]  fds: where stdout and stderr are written.
                        REPLY at once; the descriptors are closed at the end */
    AGENT_FORGET, /* [seq, process]  drops a background process that ended, with its logs; REPLY */
    /* agent -> supervisor */
    AGENT_READY,   /* [version]  first, once */
    AGENT_STARTED, /* [process, pid inside] */
    AGENT_REFUSED, /* [process, status 125..127, sentence]  instead of STARTED */
    AGENT_EXITED,  /* [process, how "exit"/"signal"/"timeout", number]  last of that process */
    AGENT_REPLY,   /* [seq, ok, payload or sentence] */
};

/* The same as tables: what each child hears from the supervisor, and what it says to it. */
extern const struct ipc_rule ipc_launcher_hears[];
extern const struct ipc_rule ipc_launcher_says[];
extern const struct ipc_rule ipc_sidecar_hears[];
extern const struct ipc_rule ipc_sidecar_says[];
extern const struct ipc_rule ipc_runtime_hears[];
extern const struct ipc_rule ipc_runtime_says[];
extern const struct ipc_rule ipc_agent_hears[];
extern const struct ipc_rule ipc_agent_says[];

#endif
