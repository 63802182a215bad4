#include "proto/dns/dns.h"

static bool ends_with(struct span s, struct span suffix)
{
    return s.len >= suffix.len && span_ieq(span_from(s, s.len - suffix.len), suffix);
}

/* "4.3.2.1", the lowest byte first: decimal without leading zeros. */
static bool reverse4(struct span s, uint8_t addr[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(addr, mapped, sizeof mapped);
    size_t at = 0;
    for (int i = 15; i >= 12; i--) {
        unsigned n = 0;
        size_t start = at;
        while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9' && at - start < 3) {
            n = n * 10 + (unsigned)(s.ptr[at++] - '0');
        }
        bool last = i == 12;
        if (at == start || n > 255 || (at - start > 1 && s.ptr[start] == '0') ||
            (last ? at != s.len : at == s.len || s.ptr[at++] != '.')) {
            return false;
        }
        addr[i] = (uint8_t)n;
    }
    return true;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 nibbles with dots between them, the lowest first. */
static bool reverse6(struct span s, uint8_t addr[16])
{
    if (s.len != 63) {
        return false;
    }
    memset(addr, 0, 16);
    for (unsigned i = 0; i < 32; i++) {
        int n = nibble(span_lower(s.ptr[2 * i]));
        if (n < 0 || (i < 31 && s.ptr[2 * i + 1] != '.')) {
            return false;
        }
        addr[15 - i / 2] |= (uint8_t)((unsigned)n << (i % 2 * 4));
    }
    return true;
}

bool dns_reverse_addr(struct span name, uint8_t addr[16])
{
    static const struct span v4 = SPAN_INIT(".in-addr.arpa");
    static const struct span v6 = SPAN_INIT(".ip6.arpa");
    if (ends_with(name, v4)) {
        return reverse4(span_of(name.ptr, name.len - v4.len), addr);
    }
    return ends_with(name, v6) && reverse6(span_of(name.ptr, name.len - v6.len), addr);
}
