/*
 * der: writes DER (ITU-T X.690) from the end to the front, so that a length is known when its
 * header is written. Inner parts first, each in reverse order.
 *
 *     size_t end = der_mark(&d);
 *     der_raw(&d, content);
 *     der_wrap(&d, DER_SEQUENCE, end);     everything since end, with a header before it
 *
 * A writer that is full stays full; ask once, at the end, with der_ok.
 */
#ifndef SALLYPORT_TLS_DER_H
#define SALLYPORT_TLS_DER_H

#include "base/span.h"

#define DER_BOOLEAN     0x01
#define DER_INTEGER     0x02
#define DER_BITS        0x03
#define DER_OCTETS      0x04
#define DER_OID         0x06
#define DER_UTF8        0x0c
#define DER_UTCTIME     0x17
#define DER_TIME        0x18
#define DER_BMP         0x1e
#define DER_SEQUENCE    0x30
#define DER_SET         0x31
#define DER_CONTEXT(n)  ((uint8_t)(0x80 | (n))) /* primitive */
#define DER_EXPLICIT(n) ((uint8_t)(0xa0 | (n))) /* constructed */

struct der {
    uint8_t *mem; /* kept */
    size_t cap;
    size_t at; /* first byte that is written; cap when nothing is */
    bool full;
};

void der_init(struct der *d, void *mem, size_t cap);
void der_raw(struct der *d, struct span bytes);
/* A whole element. */
void der_put(struct der *d, uint8_t tag, struct span content);
void der_wrap(struct der *d, uint8_t tag, size_t end);

static inline size_t der_mark(const struct der *d)
{
    return d->at;
}

static inline bool der_ok(const struct der *d)
{
    return !d->full;
}

static inline struct span der_span(const struct der *d)
{
    return span_of(d->mem + d->at, d->cap - d->at);
}

/* The length of the whole element that bytes begin with, or 0 when they do not begin with one. */
size_t der_element(struct span bytes);

#endif
