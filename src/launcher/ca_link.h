/*
 * ca_link: the name under which OpenSSL looks for a CA in a folder of certificates (SSL_CERT_DIR).
 */
#ifndef SALLYPORT_LAUNCHER_CA_LINK_H
#define SALLYPORT_LAUNCHER_CA_LINK_H

#include "base/span.h"

#define CA_LINK_BYTES 11 /* "0a1b2c3d.0" and its NUL */

/* The first four bytes of the SHA-1 of the certificate's subject in OpenSSL's canonical form (each
 * value as UTF8String, lower case, one space between words), then ".0". false when der is not a
 * certificate, or its subject holds something else than short ASCII values. */
bool ca_link_name(struct span der, char out[CA_LINK_BYTES]);

#endif
