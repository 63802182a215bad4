#include "origin.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static atomic_uint requests;

static void send_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        p += n;
        len -= (size_t)n;
    }
}

static void answer(int fd, const char *body, size_t len)
{
    char head[128];
    int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", len);
    send_all(fd, head, (size_t)n);
    send_all(fd, body, len);
}

static void answer_big(int fd)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char chunk[8192];
    memset(chunk, 'x', sizeof chunk);
    send_all(fd, head, sizeof head - 1);
    for (size_t sent = 0; sent < ORIGIN_BIG; sent += sizeof chunk) {
        send_all(fd, "2000\r\n", 6);
        send_all(fd, chunk, sizeof chunk);
        send_all(fd, "\r\n", 2);
    }
    send_all(fd, "0\r\n\r\n", 5);
}

static void answer_redirect(int fd, const char *head)
{
    char host[64] = "origin.test";
    char text[256];
    if (strncmp(head, "GET /to/", 8) == 0) {
        sscanf(head, "GET /to/%63[^/ ]", host);
    }
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 302 Found\r\nLocation: http://%s%s\r\nContent-Length: 0\r\n\r\n",
                     host, strncmp(head, "GET /loop", 9) == 0 ? "/loop" : "/echo");
    send_all(fd, text, (size_t)n);
}

/* Reads a chunked or counted body; rest is what came behind the head. */
static void answer_post(int fd, const char *head, const char *rest, size_t len)
{
    const char *field = strcasestr(head, "content-length:");
    size_t want = field != NULL ? strtoul(field + 15, NULL, 10) : 0;
    size_t got = len;
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += (unsigned char)rest[i];
    }
    static _Thread_local char buf[65536];
    while (got < want) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0) {
            return;
        }
        for (ssize_t i = 0; i < n; i++) {
            sum += (unsigned char)buf[i];
        }
        got += (size_t)n;
    }
    char text[64];
    int n = snprintf(text, sizeof text, "%zu bytes, sum %llu", got, (unsigned long long)sum);
    answer(fd, text, (size_t)n);
}

static void serve(int fd, char *head, size_t head_len, size_t len)
{
    atomic_fetch_add(&requests, 1);
    if (strncmp(head, "POST", 4) == 0) {
        char text[8192];
        snprintf(text, sizeof text, "%.*s", (int)head_len, head);
        answer_post(fd, text, head + head_len, len - head_len);
    } else if (strncmp(head, "GET /big", 8) == 0) {
        answer_big(fd);
    } else if (strncmp(head, "GET /cut", 8) == 0) {
        static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
        send_all(fd, cut, sizeof cut - 1);
        shutdown(fd, SHUT_RDWR);
    } else if (strncmp(head, "GET /to/", 8) == 0 || strncmp(head, "GET /loop", 9) == 0) {
        answer_redirect(fd, head);
    } else if (strncmp(head, "GET /nothing", 12) == 0) {
        answer(fd, "", 0);
    } else if (strncmp(head, "HEAD", 4) == 0) {
        static const char only[] = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n";
        send_all(fd, only, sizeof only - 1);
    } else if (strncmp(head, "GET /slow", 9) != 0) {
        answer(fd, head, head_len);
    }
}

static void *connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[16384];
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, buf + len, sizeof buf - 1 - len, 0);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        buf[len] = '\0';
        char *end = strstr(buf, "\r\n\r\n");
        if (end != NULL) {
            serve(fd, buf, (size_t)(end - buf) + 4, len);
            len = 0;
        }
    }
    close(fd);
    return NULL;
}

static void *acceptor(void *arg)
{
    int listener = (int)(intptr_t)arg;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t t;
        if (fd >= 0 && pthread_create(&t, NULL, connection, (void *)(intptr_t)fd) == 0) {
            pthread_detach(t);
        }
    }
    return NULL;
}

uint16_t origin_start(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof sa;
    pthread_t t;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
        pthread_create(&t, NULL, acceptor, (void *)(intptr_t)fd) != 0) {
        return 0;
    }
    pthread_detach(t);
    return ntohs(sa.sin_port);
}

unsigned origin_requests(void)
{
    return atomic_load(&requests);
}
