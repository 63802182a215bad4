/*
 * pem: RFC 7468 text of bytes; nothing is read here.
 */
#ifndef SALLYPORT_SUPERVISOR_PEM_H
#define SALLYPORT_SUPERVISOR_PEM_H

#include "base/buf.h"

/* RFC 4648, with padding, on one line: appended. */
bool pem_base64(struct buf *out, struct span bytes);

/* false: over the ceiling; out may hold a part. */
bool pem_write(struct buf *out, const char *label, struct span der);

#endif
