#include "store/store.h"

int store_check_key(struct span key, struct error *err)
{
    if (key.len == 0 || key.len > STORE_KEY_MAX) {
        return error_set(err, 0, "KV key: expected 1 to %u bytes, got %zu", STORE_KEY_MAX, key.len);
    }
    if (span_eq(key, SPAN_LIT(".")) || span_eq(key, SPAN_LIT(".."))) {
        return error_set(err, 0, "KV key: \".\" and \"..\" are not allowed");
    }
    return 0;
}

int store_check_put(const struct store_put *put, struct error *err)
{
    int rc = store_check_key(put->key, err);
    if (rc < 0) {
        return rc;
    }
    if (put->ns.len == 0 || put->ns.len > STORE_KEY_MAX) {
        return error_set(err, 0, "KV namespace: expected 1 to %u bytes", STORE_KEY_MAX);
    }
    if (put->value.len > STORE_VALUE_MAX) {
        return error_set(err, 0, "KV value: larger than %u bytes", STORE_VALUE_MAX);
    }
    if (put->metadata.len > STORE_METADATA_MAX) {
        return error_set(err, 0, "KV metadata: larger than %u bytes", STORE_METADATA_MAX);
    }
    return 0;
}

void store_entry_free(struct store_entry *e)
{
    buf_free(&e->value);
    buf_free(&e->metadata);
}
