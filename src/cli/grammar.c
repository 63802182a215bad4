#include "cli/grammar.h"
#include "config/dotenv.h"
#include "proto/http1/http1.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int grammar_id(const char *text, struct error *err)
{
    size_t len = strlen(text);
    bool good = len >= 1 && len <= 64 && is_alnum(text[0]);
    for (size_t i = 1; good && i < len; i++) {
        good = is_alnum(text[i]) || strchr("._-", text[i]) != NULL;
    }
    return good ? 0
                : error_set(err, 0,
                            "id \"%.80s\": expected a letter or digit, then at most 63 letters, "
                            "digits, '.', '_' or '-'",
                            text);
}

/* A path segment of the control API: the daemon decides which names there are. */
int grammar_name(const char *text, struct error *err)
{
    size_t len = strlen(text);
    json_t *whole = json_stringn(text, len);
    bool good = len >= 1 && len <= 1024 && whole != NULL;
    json_decref(whole);
    return good ? 0
                : error_set(err, 0, "name \"%.80s\": expected 1 to 1024 bytes of UTF-8 text", text);
}

static bool is_cidr(const char *text)
{
    const char *slash = strchr(text, '/');
    char host[64];
    unsigned char addr[16];
    size_t len = slash != NULL ? (size_t)(slash - text) : sizeof host;
    if (len >= sizeof host || slash[1] == '\0' || strspn(slash + 1, "0123456789") > 3 ||
        slash[1 + strspn(slash + 1, "0123456789")] != '\0') {
        return false;
    }
    const char *from = text;
    if (text[0] == '[' && len >= 2 && text[len - 1] == ']') {
        from++;
        len -= 2;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    int bits = atoi(slash + 1);
    return (inet_pton(AF_INET, host, addr) == 1 && bits <= 32) ||
           (inet_pton(AF_INET6, host, addr) == 1 && bits <= 128);
}

static int bad_glob(const char *text, const char *why, struct error *err)
{
    return error_set(err, 0, "host pattern \"%.200s\": %s", text, why);
}

int grammar_host_glob(const char *text, struct error *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > 1024) {
        return bad_glob(text, "expected 1 to 1024 bytes", err);
    }
    if (strchr(text, '/') != NULL) {
        return is_cidr(text) ? 0 : bad_glob(text, "holds a slash: give a host, not a URL", err);
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7f) {
            return bad_glob(text, "holds a space or control byte: give one pattern an option", err);
        }
        if (strchr("@?#\\%\"<>^`{}|,", c) != NULL) {
            return bad_glob(text, "holds a byte that no host has", err);
        }
    }
    if (text[0] != '[' && strchr(text, ':') != NULL) {
        return bad_glob(text, "holds a colon: patterns have no port, IPv6 stands in brackets", err);
    }
    return 0;
}

static bool read_port(const char *text, size_t len)
{
    unsigned long port = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || len > 5) {
            return false;
        }
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    return len > 0 && port >= 1 && port <= 65535;
}

static bool is_host_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7f || strchr("@/?#\\%\"<>*,", c) != NULL) {
            return false;
        }
    }
    return len > 0 && len <= 255;
}

/* Length of the host at text: up to the colon, or through the closing bracket. 0: none. */
static size_t host_length(const char *text)
{
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        return end != NULL ? (size_t)(end - text) + 1 : 0;
    }
    return strcspn(text, ":");
}

int grammar_listen(const char *text, struct error *err)
{
    size_t host = host_length(text);
    bool v6 = text[0] == '[' && host > 2;
    char addr[64];
    unsigned char raw[16];
    const char *port = text[host] == ':' ? text + host + 1 : "";
    bool good = host < sizeof addr && (strcmp(port, "0") == 0 || read_port(port, strlen(port)));
    if (good) {
        size_t len = v6 ? host - 2 : host;
        memcpy(addr, text + (v6 ? 1 : 0), len);
        addr[len] = '\0';
        good = inet_pton(v6 ? AF_INET6 : AF_INET, addr, raw) == 1;
    }
    return good ? 0
                : error_set(err, 0,
                            "--listen \"%.200s\": expected ADDR:PORT with an address, as "
                            "127.0.0.1:8787 or [::1]:8787",
                            text);
}

int grammar_endpoint(const char *text, struct error *err)
{
    size_t host = host_length(text);
    if (!is_host_text(text, host) || text[host] != ':' ||
        !read_port(text + host + 1, strlen(text + host + 1))) {
        return error_set(err, 0, "\"%.200s\": expected HOST:PORT", text);
    }
    return 0;
}

static bool is_address(const char *text, size_t len)
{
    char host[64];
    unsigned char addr[16];
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    text += bracketed ? 1 : 0;
    len -= bracketed ? 2 : 0;
    if (len == 0 || len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, host, addr) == 1;
}

int grammar_resolve(const char *text, struct error *err)
{
    size_t host = host_length(text);
    const char *port = text[host] == ':' ? text + host + 1 : NULL;
    size_t port_len = port != NULL ? strcspn(port, ":") : 0;
    const char *addr = port != NULL && port[port_len] == ':' ? port + port_len + 1 : NULL;
    size_t addr_len = addr != NULL ? host_length(addr) : 0;
    bool good = addr != NULL && is_host_text(text, host) && read_port(port, port_len) &&
                is_address(addr, addr_len);
    if (good && addr[addr_len] != '\0') {
        good = addr[addr_len] == ':' && read_port(addr + addr_len + 1, strlen(addr + addr_len + 1));
    }
    return good ? 0
                : error_set(err, 0,
                            "--resolve \"%.200s\": expected HOST:PORT:ADDRESS[:PORT], an IPv6 "
                            "address in brackets",
                            text);
}

int grammar_env(const char *text, struct error *err)
{
    size_t len = strcspn(text, "=");
    bool good = len > 0;
    for (size_t i = 0; good && i < len; i++) {
        good = is_alnum(text[i]) || text[i] == '_' || text[i] == '.' || text[i] == '-';
    }
    return good ? 0 : error_set(err, 0, "--env \"%.*s\": expected K=V or K", (int)len, text);
}

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = span_from(s, 1);
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

int grammar_inject(const char *text, struct grammar_inject *out, struct error *err)
{
    size_t host_len = host_length(text);
    const char *rest = text[host_len] == ':' ? text + host_len + 1 : NULL;
    const char *colon = rest != NULL ? strchr(rest, ':') : NULL;
    if (colon == NULL) {
        return error_set(err, 0, "--inject: expected 'HOST: HEADER: VALUE'");
    }
    out->host = trim(span_of(text, host_len));
    out->header = trim(span_of(rest, (size_t)(colon - rest)));
    out->value = trim(span_str(colon + 1));
    char host[1026];
    if (out->host.len >= sizeof host) {
        return error_set(err, 0, "--inject: the host is too long");
    }
    memcpy(host, out->host.ptr, out->host.len);
    host[out->host.len] = '\0';
    if (grammar_host_glob(host, err) < 0) {
        return error_prefix(err, "--inject");
    }
    unsigned flags = http1_field_flags(out->header);
    if (!http1_is_token(out->header) || flags != 0) {
        return error_set(err, 0, "--inject %s: \"%.*s\" is not a header that can be set", host,
                         (int)(out->header.len < 100 ? out->header.len : 100), out->header.ptr);
    }
    if (out->value.len == 0 || !http1_is_value(out->value)) {
        return error_set(err, 0, "--inject %s: expected a value without control bytes", host);
    }
    return 0;
}

int grammar_placeholders(struct span value,
                         int (*each)(void *arg, struct span name, struct error *err), void *arg,
                         struct error *err)
{
    while (value.len > 0) {
        const char *start = memmem(value.ptr, value.len, "${", 2);
        if (start == NULL) {
            break;
        }
        struct span rest = span_from(value, (size_t)(start - value.ptr) + 2);
        const char *end = rest.len > 0 ? memchr(rest.ptr, '}', rest.len) : NULL;
        if (end == NULL) {
            return error_set(err, 0, "--inject: expected } at the end of ${NAME}");
        }
        struct span name = span_of(rest.ptr, (size_t)(end - rest.ptr));
        int rc = each(arg, name, err);
        if (rc < 0) {
            return rc;
        }
        value = span_from(rest, name.len + 1);
    }
    return 0;
}

int grammar_secret(const char *text, struct grammar_secret *out, struct error *err)
{
    size_t len = strcspn(text, "=");
    *out = (struct grammar_secret){.name = span_of(text, len), .kind = SECRET_ENV, .fd = -1};
    int rc = secret_check_name(out->name, err);
    if (rc < 0 || text[len] == '\0') {
        return rc;
    }
    const char *from = text + len + 1;
    if (strncmp(from, "env:", 4) == 0 && from[4] != '\0') {
        out->from = from + 4;
        return 0;
    }
    if (strncmp(from, "file:", 5) == 0 && from[5] != '\0') {
        out->kind = SECRET_FILE;
        out->from = from + 5;
        return 0;
    }
    if (strncmp(from, "fd:", 3) == 0 && strspn(from + 3, "0123456789") == strlen(from + 3) &&
        from[3] != '\0' && strlen(from + 3) < 7) {
        out->kind = SECRET_FD;
        out->fd = atoi(from + 3);
        return 0;
    }
    return error_set(err, 0,
                     "--secret %.*s: a value never stands on the command line: use %.*s=env:VAR, "
                     "=file:PATH or =fd:N",
                     (int)len, text, (int)len, text);
}

int grammar_bind(const char *text, struct grammar_bind *out, struct error *err)
{
    struct span rest = span_str(text);
    *out = (struct grammar_bind){.read_only = false};
    if (rest.len > 3 && strcmp(text + rest.len - 3, ":ro") == 0) {
        out->read_only = true;
        rest.len -= 3;
    } else if (rest.len > 3 && strcmp(text + rest.len - 3, ":rw") == 0) {
        rest.len -= 3;
    }
    const char *colon = rest.len > 0 ? memchr(rest.ptr, ':', rest.len) : NULL;
    out->source = colon != NULL ? span_of(text, (size_t)(colon - text)) : rest;
    out->target = colon != NULL ? span_from(rest, out->source.len + 1) : span_of(text, 0);
    bool good = out->source.len > 0 &&
                (colon == NULL || (out->target.len > 0 && out->target.ptr[0] == '/' &&
                                   memchr(out->target.ptr, ':', out->target.len) == NULL));
    return good ? 0
                : error_set(err, 0, "--bind \"%.200s\": expected SRC[:DST][:ro], DST absolute",
                            text);
}
