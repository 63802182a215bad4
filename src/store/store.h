/*
 * store: KV namespaces, what instances changed at run time, the objects that are known and their
 * alarms, behind one table of functions.
 *
 * Reading never creates a file: a store that was never written to answers as empty. The first
 * write makes the folder (0700) and the database (0600). Several processes may have the same store
 * open. Calls block for as long as the disk does. Errors are one line that names the file.
 */
#ifndef SALLYPORT_STORE_STORE_H
#define SALLYPORT_STORE_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

/* Limits as Cloudflare KV has them. */
#define STORE_KEY_MAX      512u                  /* bytes of a key, not empty, not "." or ".." */
#define STORE_VALUE_MAX    (25u * 1024u * 1024u) /* bytes of a value */
#define STORE_METADATA_MAX 1024u                 /* bytes of metadata as JSON */
#define STORE_LIST_MAX     1000u                 /* keys of one page */
#define STORE_TTL_MIN_S    60u                   /* least expirationTtl */
#define STORE_NAME_MAX     1024u                 /* bytes of an object's name (ours) */
#define STORE_STATE_MAX    (1024u * 1024u)       /* bytes of one instance's state */

struct store;

struct store_put {
    struct span ns;       /* id of the namespace, 1 to 512 bytes of UTF-8 */
    struct span key;      /* UTF-8 */
    struct span value;    /* any bytes */
    struct span metadata; /* JSON text, or empty */
    int64_t expires_s;    /* seconds since 1970, 0: never */
};

struct store_entry {
    struct buf value;
    struct buf metadata; /* empty when there is none */
    int64_t expires_s;
};

struct store_query {
    struct span ns;
    struct span prefix;
    struct span cursor; /* of the page before, empty for the first */
    unsigned limit;     /* 1 to STORE_LIST_MAX; 0 stands for the most */
};

struct store_key {
    struct span name;
    struct span metadata;
    int64_t expires_s;
};

struct store_object {
    struct span id;         /* 1 to STORE_KEY_MAX bytes */
    struct span class_name; /* empty: not known yet */
    struct span name;       /* empty: it has none, or it is not known yet */
    int64_t created_ms;     /* times are since 1970 */
};

struct store_alarm {
    struct store_object object; /* only its id when it has no record */
    int64_t time_ms;
    uint32_t retries; /* how often it was run and failed */
};

/* Spans are lent until it returns; false ends the listing with -ECANCELED. Keys come in the order
 * of their bytes. None of these may use the store. */
typedef bool (*store_key_fn)(void *arg, const struct store_key *key);
typedef bool (*store_state_fn)(void *arg, const char *instance, struct span state);
typedef bool (*store_object_fn)(void *arg, const struct store_object *object);
typedef bool (*store_alarm_fn)(void *arg, const struct store_alarm *alarm);

struct store_ops {
    int (*kv_put)(struct store *s, const struct store_put *put, struct error *err);
    /* 1 found, 0 no such key (or it has expired). out is initialized by the call, freed by the
     * caller with store_entry_free when 1. */
    int (*kv_get)(struct store *s, struct span ns, struct span key, struct store_entry *out,
                  struct error *err);
    int (*kv_delete)(struct store *s, struct span ns, struct span key, struct error *err);
    /* 1: more follows and *cursor (initialized by the caller) holds where; 0: the end. */
    int (*kv_list)(struct store *s, const struct store_query *q, store_key_fn fn, void *arg,
                   struct buf *cursor, struct error *err);
    /* State of an instance: JSON text that the store does not read. An empty one deletes. */
    int (*state_put)(struct store *s, const char *instance, struct span state, struct error *err);
    int (*state_get)(struct store *s, const char *instance, struct buf *out, struct error *err);
    int (*state_list)(struct store *s, store_state_fn fn, void *arg, struct error *err);
    /* Makes the record, or fills what was not known; what is there (created_ms too) stays. */
    int (*object_put)(struct store *s, const struct store_object *object, struct error *err);
    /* The objects whose id or name it is, in the order of ids; class_name limits it, or is empty.
     * fn may be NULL. Returns how many. */
    int (*object_find)(struct store *s, struct span class_name, struct span id_or_name,
                       store_object_fn fn, void *arg, struct error *err);
    /* In the order of ids, those after `after`; limit 0: all. */
    int (*object_list)(struct store *s, struct span after, unsigned limit, store_object_fn fn,
                       void *arg, struct error *err);
    /* The record with its state and its alarm: all or none. 1 there was a record, 0 none. */
    int (*object_remove)(struct store *s, struct span id, struct error *err);
    /* One an object; the newer takes the place of the older. get: 1 or 0. */
    int (*alarm_put)(struct store *s, struct span id, int64_t time_ms, uint32_t retries,
                     struct error *err);
    int (*alarm_get)(struct store *s, struct span id, int64_t *time_ms, uint32_t *retries,
                     struct error *err);
    int (*alarm_delete)(struct store *s, struct span id, struct error *err);
    /* Those due at before_ms or earlier (INT64_MAX: all), the earliest first; limit 0: all. */
    int (*alarm_list)(struct store *s, int64_t before_ms, unsigned limit, store_alarm_fn fn,
                      void *arg, struct error *err);
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

/* dir as paths_state_dir gives it; kept as a copy. Opens nothing yet. NULL: memory is out. */
struct store *store_sqlite_create(const char *dir, struct error *err);

void store_entry_free(struct store_entry *e);

/* The rules for names and sizes; a sentence that names the field otherwise. */
int store_check_key(struct span key, struct error *err);
int store_check_put(const struct store_put *put, struct error *err);

#endif
