/* A storage in a folder of its own, for the tests of object.h. */
#ifndef SALLYPORT_TESTS_OBJECT_HERE_H
#define SALLYPORT_TESTS_OBJECT_HERE_H

#include "base/buf.h"
#include "store/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct here {
    struct object_db *db;
    char dir[64];
    char path[128];
    struct buf seen;
    struct error err;
};

static inline int here_open(void **state)
{
    struct here *h = calloc(1, sizeof *h);
    strcpy(h->dir, "/tmp/object-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    assert_int_equal(rmdir(h->dir), 0);
    snprintf(h->path, sizeof h->path, "%s/Class/id.db", h->dir);
    h->db = object_db_open(h->path, 0, &h->err);
    assert_non_null(h->db);
    buf_init(&h->seen, 1u << 20);
    *state = h;
    return 0;
}

static inline int here_close(void **state)
{
    struct here *h = *state;
    char command[128];
    object_db_close(h->db);
    snprintf(command, sizeof command, "rm -rf %s", h->dir);
    int rc = system(command);
    buf_free(&h->seen);
    free(h);
    return rc;
}

static inline void here_reopen(struct here *h)
{
    object_db_close(h->db);
    h->db = object_db_open(h->path, 0, &h->err);
    assert_non_null(h->db);
}

static inline void here_seen(struct here *h, const char *want)
{
    assert_true(buf_append(&h->seen, "", 1));
    assert_string_equal(buf_span(&h->seen).ptr, want);
    buf_clear(&h->seen);
}

static inline int here_put(struct here *h, const char *key, const char *value)
{
    struct object_pair pair = {span_str(key), span_str(value)};
    return object_kv_write(h->db, &pair, 1, NULL, &h->err);
}

/* "value", or "(none)"; the error's text after "!". */
static inline const char *here_get(struct here *h, const char *key)
{
    static char text[256];
    struct span value;
    int rc = object_kv_get(h->db, span_str(key), &value, &h->err);
    if (rc < 0) {
        snprintf(text, sizeof text, "!%.200s", h->err.text);
    } else {
        snprintf(text, sizeof text, SPAN_FMT, rc == 1 ? (int)value.len : 6,
                 rc == 1 ? value.ptr : "(none)");
    }
    return text;
}

/* Rows as "a,b;c,d;", the error's text after "!". */
static inline const char *here_sql(struct here *h, const char *sql)
{
    static char text[1024];
    size_t n = 0;
    struct object_query *q = object_query_start(h->db, span_str(sql), NULL, 0, &h->err);
    int rc = q != NULL ? 1 : -1;
    text[0] = '\0';
    while (q != NULL && (rc = object_query_next(q, &h->err)) == 1) {
        for (size_t i = 0; i < object_query_columns(q) && n < sizeof text - 100; i++) {
            struct object_value v = object_query_value(q, i);
            const char *end = i + 1 == object_query_columns(q) ? ";" : ",";
            int len = v.type == OBJECT_NULL ? snprintf(text + n, 100, "null%s", end)
                      : v.type == OBJECT_INTEGER
                          ? snprintf(text + n, 100, "%ld%s", (long)v.integer, end)
                      : v.type == OBJECT_REAL
                          ? snprintf(text + n, 100, "%g%s", v.real, end)
                          : snprintf(text + n, 100, SPAN_FMT "%s", SPAN_ARG(v.bytes), end);
            n += (size_t)len;
        }
    }
    object_query_end(q);
    if (rc < 0) {
        snprintf(text, sizeof text, "!%.900s", h->err.text);
    }
    return text;
}

#define WITH_OBJECT(f) cmocka_unit_test_setup_teardown(f, here_open, here_close)

#endif
