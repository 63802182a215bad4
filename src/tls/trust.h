/*
 * trust: the files that make programs inside a sandbox trust the instance's CA. Pure: bytes in,
 * bytes out, no file is touched. None of these needs OpenSSL at run time.
 */
#ifndef SALLYPORT_TLS_TRUST_H
#define SALLYPORT_TLS_TRUST_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#define TLS_TRUST_JAVA_PASSWORD "changeit"           /* what every JVM tries by itself */
#define TLS_TRUST_MAX           (8u * 1024u * 1024u) /* a sane ceiling for out */

/* Where distributions keep their bundle, most likely first; ends with NULL. */
extern const char *const tls_trust_bundle_paths[];

/* DER certificate -> PEM text appended to out. -1 when der is not one certificate in length, or
 * out is full. */
int tls_trust_pem(struct span der, struct buf *out, struct error *err);

/* system_pem (may be empty) and ca_pem in one PEM bundle, appended to out. */
int tls_trust_bundle(struct span system_pem, struct span ca_pem, struct buf *out,
                     struct error *err);

/* The same certificates as a Java trust store, appended to out: PKCS12, entries marked as trusted
 * (Oracle's trustedKeyUsage attribute), neither encrypted nor MACed: what it holds is public. The
 * password may be TLS_TRUST_JAVA_PASSWORD or none. Blocks of system_pem that are not certificates
 * are skipped; a bad ca_pem is an error. */
int tls_trust_java(struct span system_pem, struct span ca_pem, struct buf *out, struct error *err);

/* The same in two halves, so that the slow one is done before the CA is there: the certificates of
 * a PEM text, DER end to end, appended to out; then the store of those and ours. */
int tls_trust_certificates(struct span pem, struct buf *out, size_t *count, struct error *err);
int tls_trust_java_of(struct span system_der, size_t system_count, struct span ca_pem,
                      struct buf *out, struct error *err);

#endif
