/*
 * An agent that was taken over: it comes up as the real one does, waits for its first RUN, and then
 * says what HOSTILE names.
 */
#include "ipc/channel.h"
#include "ipc/conversations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int agent_main(int argc, char **argv);

static int fd; /* the supervisor's */

static void put(const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            _exit(0);
        }
        at += (size_t)n;
    }
}

/* A head, and whatever follows it. */
static void frame(uint32_t len, uint16_t type, uint16_t descriptors, const void *body, size_t given)
{
    const unsigned char head[8] = {(unsigned char)len,         (unsigned char)(len >> 8),
                                   (unsigned char)(len >> 16), (unsigned char)(len >> 24),
                                   (unsigned char)type,        (unsigned char)(type >> 8),
                                   (unsigned char)descriptors, (unsigned char)(descriptors >> 8)};
    put(head, sizeof head);
    put(body, given);
}

static void say(uint16_t type, const char *const *words, size_t count)
{
    struct span fields[4];
    for (size_t i = 0; i < count; i++) {
        fields[i] = span_str(words[i]);
    }
    if (ipc_send_blocking(fd, type, fields, count, NULL, 0, NULL) < 0) {
        _exit(0);
    }
}
#define SAY(type, ...)                                                                             \
    say(type, (const char *const[]){__VA_ARGS__},                                                  \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void malformed(const char *process)
{
    (void)process;
    frame(6, AGENT_READY, 0, "\377\377\377\377ab", 6); /* a field longer than its frame */
}

static void oversized(const char *process)
{
    static char body[AGENT_BODY_MAX * 2];
    (void)process;
    frame(sizeof body, AGENT_REPLY, 0, body, sizeof body);
}

static void endless(const char *process)
{
    (void)process;
    frame(0xffffffffu, AGENT_READY, 0, "", 0);
    for (;;) {
        put("0123456789abcdef", 16);
    }
}

static void unknown_type(const char *process)
{
    (void)process;
    frame(0, 4711, 0, "", 0);
}

static void of_the_other_end(const char *process)
{
    SAY(AGENT_SIGNAL, process, "9");
}

static void ready_twice(const char *process)
{
    (void)process;
    SAY(AGENT_READY, "again");
}

static void exit_before_start(const char *process)
{
    SAY(AGENT_EXITED, process, "exit", "0");
}

static void start_of_nothing(const char *process)
{
    (void)process;
    SAY(AGENT_STARTED, "4000000000", "1");
}

static void exit_twice(const char *process)
{
    SAY(AGENT_STARTED, process, "2");
    SAY(AGENT_EXITED, process, "exit", "0");
    SAY(AGENT_EXITED, process, "exit", "0");
}

static void reply_to_nothing(const char *process)
{
    (void)process;
    SAY(AGENT_REPLY, "77", "ok", "{}");
}

static void no_number(const char *process)
{
    (void)process;
    SAY(AGENT_STARTED, "-1", "2");
}

static void status_out_of_bounds(const char *process)
{
    SAY(AGENT_STARTED, process, "2");
    SAY(AGENT_EXITED, process, "exit", "256");
}

/* Printed as it is it would take over a terminal. */
static void sentence_of_control_bytes(const char *process)
{
    SAY(AGENT_REFUSED, process, "126", "\033]0;owned\007\033[2J\n\rsallyport: all is well");
}

static void descriptor(const char *process)
{
    const struct span fields[] = {span_str(process), SPAN_LIT("2")};
    const int fds[] = {fd};
    ipc_send_blocking(fd, AGENT_STARTED, fields, 2, fds, 1, NULL);
}

static void flood(const char *process)
{
    SAY(AGENT_STARTED, process, "2");
    for (;;) {
        SAY(AGENT_REPLY, "1", "error", "x");
    }
}

static void silence(const char *process)
{
    (void)process;
    close(fd);
}

static const struct {
    const char *name;
    void (*act)(const char *process);
} ways[] = {
    {"malformed", malformed},
    {"oversized", oversized},
    {"endless", endless},
    {"unknown-type", unknown_type},
    {"of-the-other-end", of_the_other_end},
    {"ready-twice", ready_twice},
    {"exit-before-start", exit_before_start},
    {"start-of-nothing", start_of_nothing},
    {"exit-twice", exit_twice},
    {"reply-to-nothing", reply_to_nothing},
    {"no-number", no_number},
    {"status-out-of-bounds", status_out_of_bounds},
    {"sentence-of-control-bytes", sentence_of_control_bytes},
    {"descriptor", descriptor},
    {"flood", flood},
    {"silence", silence},
};

#undef main
int main(int argc, char **argv)
{
    const char *way = getenv("HOSTILE");
    if (way == NULL || argc < 2 || strcmp(argv[1], "snapshot") == 0) {
        return agent_main(argc, argv);
    }
    static const char up[] = "sallyport: started\n";
    struct ipc_message msg;
    struct buf body;
    char process[16] = "";
    fd = atoi(argv[1]);
    if (argc > 2 && write(atoi(argv[2]), up, sizeof up - 1) != sizeof up - 1) {
        return 125;
    }
    close(argc > 2 ? atoi(argv[2]) : -1);
    SAY(AGENT_READY, "hostile");
    buf_init(&body, IPC_BODY_MAX);
    do {
        if (ipc_receive_blocking(fd, ipc_agent_hears, &msg, &body, NULL) < 0) {
            return 0;
        }
    } while (msg.type != AGENT_RUN);
    snprintf(process, sizeof process, SPAN_FMT, SPAN_ARG(msg.fields[0]));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, way) == 0) {
            ways[i].act(process);
        }
    }
    for (;;) {
        pause(); /* process 1 that does nothing more */
    }
}
