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
    LAUNCHER_START = 1, /* [spec json]                 fds: none. What to build (launcher/spec.h) */
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
    RUNTIME_INSTANCE_ADD, /* [seq, id, class, options json, stored state json or empty]
                             fds: gate socket.  REPLY payload: instance facts json */
    RUNTIME_INSTANCE_REMOVE, /* [seq, id] */
    RUNTIME_GATE,            /* [id]  fds: gate socket of a new sidecar */
    RUNTIME_CALL,       /* [seq, id, method, arguments json array]  REPLY payload: result json */
    RUNTIME_CHECK,      /* [seq, id, method, url]  REPLY payload: decision json; sends nothing */
    RUNTIME_STATE_DONE, /* [call, ok, sentence] */
    RUNTIME_KV_DONE,    /* [call, ok, payload, metadata json or empty]  see RUNTIME_KV */
    /* runtime -> supervisor */
    RUNTIME_READY, /* [app facts json: classes and what each configures]  module evaluated, confined
                    */
    RUNTIME_FAILED, /* [sentence] and exit */
    RUNTIME_REPLY,  /* [seq, ok, payload json or sentence] */
    RUNTIME_STATE,  /* [call, id, state json]  persist the instance's overrides */
    RUNTIME_KV,     /* [call, op "get"/"put"/"delete"/"list", namespace, key or prefix, value,
                       options json]. get: payload is the value, ok "none" when there is no key.
                       list: payload is the json of keys */
    RUNTIME_EVENT,  /* [instance id, json lines joined by newline]  egress events, contract 4 */
    RUNTIME_LOG,    /* [instance id or empty, level, text]  console.* and failures of handlers */
};

/* The same as tables: what each child hears from the supervisor, and what it says to it. */
extern const struct ipc_rule ipc_launcher_hears[];
extern const struct ipc_rule ipc_launcher_says[];
extern const struct ipc_rule ipc_sidecar_hears[];
extern const struct ipc_rule ipc_sidecar_says[];
extern const struct ipc_rule ipc_runtime_hears[];
extern const struct ipc_rule ipc_runtime_says[];

#endif
