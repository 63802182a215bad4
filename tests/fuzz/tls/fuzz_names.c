/* A name that passes the check makes a certificate that OpenSSL matches with that very name. */
#include "tls/leaf.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool cert_matches(X509 *cert, struct span name)
{
    uint8_t ip[16];
    size_t ip_len;
    if (tls_name_ip(name, ip, &ip_len)) {
        return X509_check_ip(cert, ip, ip_len, 0) == 1;
    }
    return X509_check_host(cert, name.ptr, name.len, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) ==
           1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static EVP_PKEY *key;
    static uint8_t point[TLS_POINT_BYTES];
    uint8_t scalar[TLS_SCALAR_BYTES];
    uint8_t id[TLS_KEYID_BYTES];
    uint8_t der[TLS_CA_DER_MAX];
    struct span name = span_of(data, size);
    if (key == NULL) {
        key = tls_key_generate(scalar, point);
    }
    if (!tls_mint_name_ok(name)) {
        return 0;
    }
    if (memchr(name.ptr, '*', name.len) != NULL || memchr(name.ptr, '\0', name.len) != NULL) {
        abort();
    }
    tls_key_id(point, id);
    struct tls_cert_spec spec = {.signer = key,
                                 .issuer = SPAN_LIT("\x30\x00"),
                                 .signer_id = id,
                                 .point = point,
                                 .name = name,
                                 .not_before = 1700000000,
                                 .not_after = 1800000000};
    ssize_t len = tls_cert_write(&spec, der, sizeof der);
    const unsigned char *at = der;
    X509 *cert = len > 0 ? d2i_X509(NULL, &at, len) : NULL;
    if (cert == NULL || !cert_matches(cert, name)) {
        abort();
    }
    X509_free(cert);
    return 0;
}
