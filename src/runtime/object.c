#include "runtime/object.h"

#include "crypto/hash.h"

#define HALF 16u /* bytes */

static int class_key(struct span class_name, unsigned char key[CRYPTO_DIGEST_MAX])
{
    static const char label[] = "sallyport object"; /* with its NUL */
    struct buf text;
    size_t len;
    buf_init(&text, 4096);
    bool ok = buf_append(&text, label, sizeof label) && buf_append_span(&text, class_name);
    int rc = ok ? crypto_digest(CRYPTO_SHA256, buf_span(&text), key, &len) : -1;
    buf_free(&text);
    return rc;
}

static int half_of(const unsigned char *key, struct span data, unsigned char out[HALF])
{
    unsigned char mac[CRYPTO_DIGEST_MAX];
    size_t len;
    int rc = crypto_hmac(CRYPTO_SHA256, span_of((const char *)key, 32), data, mac, &len);
    if (rc >= 0) {
        memcpy(out, mac, HALF);
    }
    return rc;
}

static void hex(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int object_id(struct span class_name, struct span name, char out[OBJECT_ID_BYTES])
{
    unsigned char key[CRYPTO_DIGEST_MAX];
    unsigned char id[2 * HALF];
    bool good = name.ptr == NULL ||
                (name.len <= JS_OBJECT_NAME_MAX && memchr(name.ptr, '\0', name.len) == NULL);
    int rc = good ? class_key(class_name, key) : -1;
    if (rc >= 0) {
        rc = name.ptr != NULL ? half_of(key, name, id) : crypto_random(id, HALF);
    }
    if (rc >= 0) {
        rc = half_of(key, span_of((const char *)id, HALF), id + HALF);
    }
    out[0] = '\0';
    if (rc < 0) {
        return -1;
    }
    hex(id, sizeof id, out);
    return 0;
}

bool object_id_is(struct span class_name, struct span id)
{
    unsigned char key[CRYPTO_DIGEST_MAX];
    unsigned char first[HALF];
    unsigned char second[HALF];
    char want[2 * HALF + 1];
    if (id.len != 4 * HALF || class_key(class_name, key) < 0) {
        return false;
    }
    for (size_t i = 0; i < HALF; i++) {
        int high = digit(id.ptr[2 * i]);
        int low = digit(id.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        first[i] = (unsigned char)(high << 4 | low);
    }
    if (half_of(key, span_of((const char *)first, HALF), second) < 0) {
        return false;
    }
    hex(second, HALF, want);
    return memcmp(id.ptr + 2 * HALF, want, 2 * HALF) == 0;
}
