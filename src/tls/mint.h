/*
 * mint: the CA of one instance and the leaves that it signs.
 *
 * The CA's private key is a raw 32-byte P-256 scalar in memory of the caller (the sidecar maps a
 * memfd_secret), so that a successor can go on with the same CA. All leaves share one key that
 * lives as long as the mint. Certificates follow RFC 5280; names in leaves are SAN only.
 */
#ifndef SALLYPORT_TLS_MINT_H
#define SALLYPORT_TLS_MINT_H

#include "base/error.h"
#include "base/span.h"

#include <stdint.h>

#define TLS_SCALAR_BYTES    32u
#define TLS_CA_DER_MAX      1024u /* bytes of a CA certificate */
#define TLS_CA_LIFETIME_S   (30u * 86400u)
#define TLS_CA_BACKDATE_S   3600u
#define TLS_LEAF_LIFETIME_S 86400u
#define TLS_LEAF_BACKDATE_S 300u
#define TLS_LEAF_RENEW_S    3600u /* a leaf with less left is minted anew */
#define TLS_LEAF_CACHE      512u  /* leaves kept (5 KiB each), least recently used goes first */
#define TLS_LEAF_BURST      2048u /* leaves minted at once ... */
#define TLS_LEAF_RATE       200u  /* ... and a second after that */

struct tls_mint;

/* id goes into the CA's common name: "Sallyport CA ID". Without cert_der a new key is made and
 * written into scalar, whatever that held: a CA whose certificate nobody got is no CA. Else the CA
 * is the one of scalar and cert_der (copied); NULL with err when they do not fit each other.
 * scalar is lent. */
struct tls_mint *tls_mint_create(struct span id, uint8_t scalar[TLS_SCALAR_BYTES],
                                 struct span cert_der, struct error *err);
void tls_mint_destroy(struct tls_mint *m); /* NULL is allowed */

/* The CA's certificate, lent as long as the mint lives. */
struct span tls_mint_cert(const struct tls_mint *m);

/* Whether a leaf is made for name: an IP literal (no zone), or 1..253 bytes of labels of 1..63
 * letters, digits, hyphens and underscores, no leading or trailing hyphen, no wildcard, no trailing
 * dot, not digits alone in the last label. */
bool tls_mint_name_ok(struct span name);

/* Makes the leaf for name if it is not there. Same errors as tls_conn_start_server. */
int tls_mint_prepare(struct tls_mint *m, struct span name, struct error *err);

#endif
