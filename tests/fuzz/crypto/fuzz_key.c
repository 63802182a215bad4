/*
 * Keys of strangers: the first byte is the type, the second the format (3: the parts of a JWK, each
 * behind a byte that is its length). Whatever is taken can be written out, read back as the same
 * key, and used without an accident.
 */
#include "crypto/crypto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static struct crypto_key *from_parts(enum crypto_type type, struct span in)
{
    struct span parts[CRYPTO_PARTS] = {{NULL, 0}};
    for (size_t i = 0; i < CRYPTO_PARTS && in.len > 0; i++) {
        size_t len = (unsigned char)in.ptr[0];
        in = span_from(in, 1);
        len = len < in.len ? len : in.len;
        if (len > 0) {
            parts[i] = span_of(in.ptr, len);
        }
        in = span_from(in, len);
    }
    return crypto_key_from_parts(type, parts);
}

static void write_and_read(const struct crypto_key *key, enum crypto_format format)
{
    struct buf first;
    struct buf second;
    buf_init(&first, 2 * CRYPTO_DER_MAX);
    buf_init(&second, 2 * CRYPTO_DER_MAX);
    if (crypto_key_export(key, format, &first) == 0) {
        struct crypto_key *again =
            crypto_key_import(crypto_key_type(key), format, buf_span(&first));
        must(again != NULL);
        must(crypto_key_export(again, format, &second) == 0);
        must(span_eq(buf_span(&first), buf_span(&second)));
        crypto_key_free(again);
    }
    buf_free(&first);
    buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > CRYPTO_DER_MAX) {
        return 0;
    }
    enum crypto_type type = (enum crypto_type)(data[0] % 7);
    struct span in = span_of((const char *)data + 2, size - 2);
    bool parts = (data[1] & 3) == 3;
    struct crypto_key *key = parts ? from_parts(type, in)
                                   : crypto_key_import(type, (enum crypto_format)(data[1] & 3), in);
    if (key == NULL) {
        return 0;
    }
    size_t lens[CRYPTO_PARTS];
    struct buf out;
    buf_init(&out, 2 * CRYPTO_DER_MAX);
    (void)crypto_key_parts(key, crypto_key_is_private(key), &out, lens);
    write_and_read(key, CRYPTO_RAW);
    write_and_read(key, CRYPTO_SPKI);
    write_and_read(key, CRYPTO_PKCS8);
    struct crypto_op op = {.what = CRYPTO_VERIFY,
                           .algorithm = (enum crypto_algorithm)(CRYPTO_HMAC + data[1] % 5),
                           .hash = CRYPTO_SHA256,
                           .key = key,
                           .data = in,
                           .iv = in,
                           .number = 32};
    (void)crypto_run(&op, &out);
    buf_free(&out);
    crypto_key_free(key);
    return 0;
}
