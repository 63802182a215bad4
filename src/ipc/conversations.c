#include "ipc/conversations.h"

/* name, type, fields, fewest and most descriptors */
const struct ipc_rule ipc_launcher_hears[] = {
    {"start", LAUNCHER_START, 1, 1, 1},
    {"go", LAUNCHER_GO, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_launcher_says[] = {
    {"sockets", LAUNCHER_SOCKETS, 0, 5, 5},
    {"failed", LAUNCHER_FAILED, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_sidecar_hears[] = {
    {"start", SIDECAR_START, 3, 7, 7},         {"gate", SIDECAR_GATE, 0, 1, 1},
    {"intercept", SIDECAR_INTERCEPT, 1, 0, 0}, {"front", SIDECAR_FRONT, 1, 4, 4},
    {"drain", SIDECAR_DRAIN, 0, 0, 0},         {0},
};

const struct ipc_rule ipc_sidecar_says[] = {
    {"ready", SIDECAR_READY, 1, 0, 0},
    {"failed", SIDECAR_FAILED, 1, 0, 0},
    {0},
};

const struct ipc_rule ipc_runtime_hears[] = {
    {"secret", RUNTIME_SECRET, 4, 0, 0},
    {"start", RUNTIME_START, 1, 2, 2},
    {"instance-add", RUNTIME_INSTANCE_ADD, 6, 1, 1},
    {"instance-remove", RUNTIME_INSTANCE_REMOVE, 2, 0, 0},
    {"instance-ended", RUNTIME_INSTANCE_ENDED, 4, 0, 0},
    {"gate", RUNTIME_GATE, 1, 1, 1},
    {"call", RUNTIME_CALL, 4, 0, 0},
    {"check", RUNTIME_CHECK, 4, 0, 0},
    {"state-done", RUNTIME_STATE_DONE, 3, 0, 0},
    {"kv-done", RUNTIME_KV_DONE, 4, 0, 0},
    {"deploy", RUNTIME_DEPLOY, 2, 2, 2},
    {"front", RUNTIME_FRONT, 0, 1, 1},
    {"name", RUNTIME_NAME, 3, 0, 0},
    {"fire", RUNTIME_FIRE, 6, 0, 0},
    {"object-done", RUNTIME_OBJECT_DONE, 6, 0, 0},
    {"container-done", RUNTIME_CONTAINER_DONE, 3, 0, 3},
    {"process", RUNTIME_PROCESS, 4, 0, 0},
    {"alarm-done", RUNTIME_ALARM_DONE, 3, 0, 0},
    {"instance-started", RUNTIME_INSTANCE_STARTED, 2, 0, 0},
    {0},
};

const struct ipc_rule ipc_runtime_says[] = {
    {"ready", RUNTIME_READY, 1, 0, 0},
    {"failed", RUNTIME_FAILED, 1, 0, 0},
    {"reply", RUNTIME_REPLY, 3, 0, 0},
    {"state", RUNTIME_STATE, 3, 0, 0},
    {"kv", RUNTIME_KV, 6, 0, 0},
    {"event", RUNTIME_EVENT, 2, 0, 0},
    {"log", RUNTIME_LOG, 3, 0, 0},
    {"object", RUNTIME_OBJECT, 4, 0, 0},
    {"container", RUNTIME_CONTAINER, 11, 0, 0},
    {"alarm", RUNTIME_ALARM, 4, 0, 0},
    {0},
};

const struct ipc_rule ipc_agent_hears[] = {
    {"run", AGENT_RUN, 8, 0, 3},
    {"signal", AGENT_SIGNAL, 2, 0, 0},
    {"session", AGENT_SESSION, 5, 0, 0},
    {"processes", AGENT_PROCESSES, 1, 0, 0},
    {"logs", AGENT_LOGS, 3, 2, 2},
    {"forget", AGENT_FORGET, 2, 0, 0},
    {0},
};

const struct ipc_rule ipc_agent_says[] = {
    {"ready", AGENT_READY, 1, 0, 0},     {"started", AGENT_STARTED, 2, 0, 0},
    {"refused", AGENT_REFUSED, 3, 0, 0}, {"exited", AGENT_EXITED, 3, 0, 0},
    {"reply", AGENT_REPLY, 3, 0, 0},     {0},
};
