#include "ipc/conversations.h"

/* name, type, fields, fewest and most descriptors */
const struct ipc_rule ipc_launcher_hears[] = {
    {"start", LAUNCHER_START, 1, 0, 0},
    {"go", LAUNCHER_GO, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_launcher_says[] = {
    {"sockets", LAUNCHER_SOCKETS, 0, 5, 5},
    {"failed", LAUNCHER_FAILED, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_sidecar_hears[] = {
    {"start", SIDECAR_START, 3, 7, 7},
    {"gate", SIDECAR_GATE, 0, 1, 1},
    {"intercept", SIDECAR_INTERCEPT, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_sidecar_says[] = {
    {"ready", SIDECAR_READY, 1, 0, 0},
    {"failed", SIDECAR_FAILED, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_runtime_hears[] = {
    {"secret", RUNTIME_SECRET, 4, 0, 0},
    {"start", RUNTIME_START, 1, 2, 2},
    {"instance-add", RUNTIME_INSTANCE_ADD, 5, 1, 1},
    {"instance-remove", RUNTIME_INSTANCE_REMOVE, 2, 0, 0},
    {"gate", RUNTIME_GATE, 1, 1, 1},
    {"call", RUNTIME_CALL, 4, 0, 0},
    {"check", RUNTIME_CHECK, 4, 0, 0},
    {"state-done", RUNTIME_STATE_DONE, 3, 0, 0},
    {"kv-done", RUNTIME_KV_DONE, 4, 0, 0},
    {0},
};

const struct ipc_rule ipc_runtime_says[] = {
    {"ready", RUNTIME_READY, 1, 0, 0}, {"failed", RUNTIME_FAILED, 1, 0, 0},
    {"reply", RUNTIME_REPLY, 3, 0, 0}, {"state", RUNTIME_STATE, 3, 0, 0},
    {"kv", RUNTIME_KV, 6, 0, 0},       {"event", RUNTIME_EVENT, 2, 0, 0},
    {"log", RUNTIME_LOG, 3, 0, 0},     {0},
};
