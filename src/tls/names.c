/* Names that a leaf may carry. Bytes come from a ClientHello: length before content. */
#include "tls/leaf.h"

#include <arpa/inet.h>

bool tls_name_ip(struct span name, uint8_t ip[16], size_t *len)
{
    char text[INET6_ADDRSTRLEN];
    if (name.len == 0 || name.len >= sizeof text) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = span_lower(name.ptr[i]);
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.')) {
            return false;
        }
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    if (inet_pton(AF_INET, text, ip) == 1) {
        *len = 4;
        return true;
    }
    *len = 16;
    return inet_pton(AF_INET6, text, ip) == 1;
}

/* One label from at on: its length, or 0 when it is not one. *digits: nothing but digits. */
static size_t label_length(struct span name, size_t at, bool *digits)
{
    size_t len = 0;
    *digits = true;
    for (; at + len < name.len && name.ptr[at + len] != '.'; len++) {
        char c = span_lower(name.ptr[at + len]);
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_') {
            return 0;
        }
        *digits = *digits && digit;
    }
    if (len == 0 || len > 63 || name.ptr[at] == '-' || name.ptr[at + len - 1] == '-') {
        return 0;
    }
    return len;
}

bool tls_mint_name_ok(struct span name)
{
    uint8_t ip[16];
    size_t ip_len;
    if (name.len == 0 || name.len > TLS_NAME_MAX) {
        return false;
    }
    if (tls_name_ip(name, ip, &ip_len)) {
        return true;
    }
    bool digits = false;
    for (size_t at = 0;; at++) {
        size_t len = label_length(name, at, &digits);
        if (len == 0) {
            return false;
        }
        at += len;
        if (at == name.len) {
            /* A last label of digits alone is an IPv4 address to some parsers. */
            return !digits;
        }
    }
}
