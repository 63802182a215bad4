/*
 * play: the supervisor's part in the start of a sandbox, for tests of the launcher.
 */
#ifndef SALLYPORT_TESTS_PLAY_H
#define SALLYPORT_TESTS_PLAY_H

#include "isolate/start_report.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define PLAY_ORDINARY 65534u
/* A CA that nobody has the key of. */
#define PLAY_CA                                                                                    \
    "-----BEGIN CERTIFICATE-----\n"                                                                \
    "MIIBkzCCATmgAwIBAgIUIqusMrtjF85DGjWmchVniyOQugowCgYIKoZIzj0EAwIw\n"                           \
    "HjEcMBoGA1UEAwwTU2FsbHlwb3J0IENBIHBsYXktMTAgFw0yNjExMjUwMjEwNTBa\n"                           \
    "GA8yMTI2MTEwMTAyMTA1MFowHjEcMBoGA1UEAwwTU2FsbHlwb3J0IENBIHBsYXkt\n"                           \
    "MTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOn3IaSE9gTOqXxdWoKEoHGosAxn\n"                           \
    "bGBSQ+NJQwshipzw7ncTsDjItCZpffapHTIc68CWAL7AU/wPAIc7YZd9YBGjUzBR\n"                           \
    "MB0GA1UdDgQWBBRuUKyeLPi5q9ACO2e0pZUxiHXCzjAfBgNVHSMEGDAWgBRuUKye\n"                           \
    "LPi5q9ACO2e0pZUxiHXCzjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA\n"                           \
    "MEUCIGc0BhGSncxyMqtZ4ooii6EdnIgQkNEyJADLmXYebZ1nAiEAyRD484VWr55R\n"                           \
    "weKj/b8qyGYF0SFQOOsfoFdJZj/iSJM=\n"                                                           \
    "-----END CERTIFICATE-----\n"

enum play_who { PLAY_AS_IS, PLAY_AS_ORDINARY };

struct play {
    enum play_who who;
    const char *home;        /* HOME of the launcher: the cache goes there */
    json_t *spec;            /* given */
    const char *const *argv; /* of the main process, ends with NULL */
    bool tty;
    int stdio[3]; /* the sandbox's 0, 1, 2; lent, -1: /dev/null */
    /* once started */
    pid_t pid;
    int channel;
    int agent;                              /* our end of its socket */
    int tcp, dns_udp, dns_tcp, net, report; /* what LAUNCHER_SOCKETS brought */
    struct isolate_start_report start;
    char failure[1024]; /* of LAUNCHER_FAILED, of the report or of AGENT_REFUSED */
};

/* A spec of a sandbox in dir, bound read-write. */
json_t *play_spec(const char *dir);

/* START to SOCKETS. false: failure says why. */
bool play_start(struct play *p);
/* GO with PLAY_CA; reads the start report, then what the agent says of the command. false: failure
 * says why. */
bool play_go(struct play *p);
/* Waits for the end, gives everything back; exit status, 128+n for a signal. */
int play_end(struct play *p);

/* All of it, with what the command wrote to 1 and 2 in out (NUL terminated). */
int play_run(struct play *p, char *out, size_t size);

#endif
