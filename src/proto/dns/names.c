#include "proto/dns/names.h"

#include "proto/dns/dns.h"

#include <stdlib.h>
#include <sys/auxv.h>

#define V4_FIRST 0xc6120100u /* 198.18.1.0 */
#define EMPTY    UINT32_MAX

/* fd00:5a11:0:1::/64; the instance's own address and others of ours stand in fd00:5a11::/64. */
static const uint8_t v6_prefix[8] = {0xfd, 0x00, 0x5a, 0x11, 0x00, 0x00, 0x00, 0x01};
static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

struct entry {
    char *name;
    uint32_t hash;
    uint8_t len;
};

struct dns_names {
    size_t max;
    size_t count;
    size_t bytes;
    size_t cap;            /* of entries; slots has twice as many places, a power of two */
    struct entry *entries; /* by number; a name's addresses are made of its number */
    uint32_t *slots;       /* open addressing, numbers into entries */
    uint64_t seed;         /* names are hostile: their order in slots must not be theirs */
};

static uint32_t hash_name(const struct dns_names *n, struct span name)
{
    uint64_t h = n->seed;
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ (uint8_t)name.ptr[i]) * 0x100000001b3u;
        h ^= h >> 29;
    }
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static void slot_put(struct dns_names *n, uint32_t number)
{
    size_t mask = n->cap * 2 - 1;
    size_t at = n->entries[number].hash & mask;
    while (n->slots[at] != EMPTY) {
        at = (at + 1) & mask;
    }
    n->slots[at] = number;
}

static bool grow(struct dns_names *n)
{
    size_t cap = n->cap == 0 ? 64 : n->cap * 2;
    struct entry *entries = realloc(n->entries, cap * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    n->entries = entries;
    uint32_t *slots = malloc(cap * 2 * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    memset(slots, 0xff, cap * 2 * sizeof *slots);
    free(n->slots);
    n->slots = slots;
    n->cap = cap;
    for (uint32_t i = 0; i < n->count; i++) {
        slot_put(n, i);
    }
    return true;
}

struct dns_names *dns_names_create(size_t max)
{
    struct dns_names *n = calloc(1, sizeof *n);
    if (n == NULL) {
        return NULL;
    }
    n->max = max < DNS_NAMES_MAX ? max : DNS_NAMES_MAX;
    /* Sixteen random bytes that the kernel gave at exec: no system call, no file. */
    unsigned long random = getauxval(AT_RANDOM);
    if (random != 0) {
        memcpy(&n->seed, (const void *)random, sizeof n->seed);
    }
    if (!grow(n)) {
        dns_names_destroy(n);
        return NULL;
    }
    return n;
}

void dns_names_destroy(struct dns_names *n)
{
    if (n == NULL) {
        return;
    }
    for (size_t i = 0; i < n->count; i++) {
        free(n->entries[i].name);
    }
    free(n->entries);
    free(n->slots);
    free(n);
}

static uint32_t find_name(const struct dns_names *n, struct span name, uint32_t hash)
{
    size_t mask = n->cap * 2 - 1;
    for (size_t at = hash & mask; n->slots[at] != EMPTY; at = (at + 1) & mask) {
        const struct entry *e = &n->entries[n->slots[at]];
        if (e->hash == hash && span_eq(span_of(e->name, e->len), name)) {
            return n->slots[at];
        }
    }
    return EMPTY;
}

static uint32_t add_name(struct dns_names *n, struct span name, uint32_t hash)
{
    if (n->count >= n->max || n->bytes + name.len > DNS_NAMES_BYTES ||
        (n->count == n->cap && !grow(n))) {
        return EMPTY;
    }
    char *copy = malloc(name.len);
    if (copy == NULL) {
        return EMPTY;
    }
    memcpy(copy, name.ptr, name.len);
    uint32_t number = (uint32_t)n->count;
    n->entries[number] = (struct entry){copy, hash, (uint8_t)name.len};
    n->count++;
    n->bytes += name.len;
    slot_put(n, number);
    return number;
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool dns_names_lookup(struct dns_names *n, struct span name, uint8_t addr4[4], uint8_t addr6[16])
{
    if (name.len == 0 || name.len > DNS_NAME_MAX) {
        return false;
    }
    uint32_t hash = hash_name(n, name);
    uint32_t number = find_name(n, name, hash);
    if (number == EMPTY) {
        number = add_name(n, name, hash);
    }
    if (number == EMPTY) {
        return false;
    }
    put32(addr4, V4_FIRST + number);
    memcpy(addr6, v6_prefix, sizeof v6_prefix);
    memset(addr6 + 8, 0, 4);
    put32(addr6 + 12, number + 1);
    return true;
}

bool dns_names_find(const struct dns_names *n, const uint8_t addr[16], struct span *name)
{
    static const uint8_t zeros[4];
    uint32_t number = EMPTY;
    if (memcmp(addr, v4_mapped, sizeof v4_mapped) == 0) {
        number = get32(addr + 12) - V4_FIRST;
    } else if (memcmp(addr, v6_prefix, sizeof v6_prefix) == 0 &&
               memcmp(addr + 8, zeros, sizeof zeros) == 0) {
        number = get32(addr + 12) - 1;
    }
    if (number >= n->count) {
        return false;
    }
    *name = span_of(n->entries[number].name, n->entries[number].len);
    return true;
}

size_t dns_names_count(const struct dns_names *n)
{
    return n->count;
}
