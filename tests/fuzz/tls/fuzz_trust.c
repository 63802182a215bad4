/* Any text as the system's bundle, and as the CA: the store is one DER element or there is none. */
#include "tls/der.h"
#include "tls/trust.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ca[] = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;
    struct error err;
    struct span text = span_of(data, size);
    buf_init(&out, TLS_TRUST_MAX);
    if (tls_trust_java(text, SPAN_LIT(ca), &out, &err) < 0 ||
        der_element(buf_span(&out)) != buf_len(&out)) {
        abort();
    }
    buf_clear(&out);
    tls_trust_java(span_of("", 0), text, &out, &err);
    buf_clear(&out);
    tls_trust_pem(text, &out, &err);
    buf_free(&out);
    return 0;
}
