/* /etc/hosts, read once: confinement takes the file away, and a name must not change under us. */
#include "upstream/resolver.h"

#include "proto/url/host.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES  4096
#define ENTRIES_MAX 8192u

struct host_entry {
    uint8_t addr[16];
    char *name; /* lower case, no final dot */
};

struct hosts_file {
    size_t count;
    size_t cap;
    struct host_entry *entries;
};

void hosts_file_free(struct hosts_file *h)
{
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->count; i++) {
        free(h->entries[i].name);
    }
    free(h->entries);
    free(h);
}

static bool add(struct hosts_file *h, const uint8_t addr[16], const char *name)
{
    if (h->count == ENTRIES_MAX) {
        return false;
    }
    if (h->count == h->cap) {
        size_t cap = h->cap == 0 ? 16 : h->cap * 2;
        struct host_entry *more = realloc(h->entries, cap * sizeof *more);
        if (more == NULL) {
            return false;
        }
        h->entries = more;
        h->cap = cap;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return false;
    }
    for (char *c = copy; *c != '\0'; c++) {
        *c = span_lower(*c);
    }
    h->entries[h->count].name = copy;
    memcpy(h->entries[h->count].addr, addr, 16);
    h->count++;
    return true;
}

static bool read_line(struct hosts_file *h, char *line)
{
    uint8_t addr[16];
    char *rest = NULL;
    line[strcspn(line, "#\r\n")] = '\0';
    char *word = strtok_r(line, " \t", &rest);
    if (word == NULL || !url_ip_parse(span_str(word), addr)) {
        return true;
    }
    while ((word = strtok_r(NULL, " \t", &rest)) != NULL) {
        if (!add(h, addr, word)) {
            return false;
        }
    }
    return true;
}

struct hosts_file *hosts_file_read(const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return NULL;
    }
    struct hosts_file *h = calloc(1, sizeof *h);
    char line[LINE_BYTES];
    while (h != NULL && fgets(line, sizeof line, f) != NULL && read_line(h, line)) {
    }
    fclose(f);
    return h;
}

size_t hosts_file_find(const struct hosts_file *h, struct span name,
                       uint8_t addrs[RESOLVER_ADDRS_MAX][16])
{
    size_t n = 0;
    for (size_t i = 0; h != NULL && i < h->count && n < RESOLVER_ADDRS_MAX; i++) {
        if (span_eq(span_str(h->entries[i].name), name)) {
            memcpy(addrs[n++], h->entries[i].addr, 16);
        }
    }
    return n;
}
