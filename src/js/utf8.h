/*
 * js/utf8: UTF-8 and UTF-16, as the Encoding standard decodes and encodes. Pure.
 */
#ifndef SALLYPORT_JS_UTF8_H
#define SALLYPORT_JS_UTF8_H

#include "base/span.h"

/* out has room for bytes.len units. Returns how many were written. Each maximal ill-formed part
 * becomes one U+FFFD. */
size_t js_utf8_to_utf16(struct span bytes, uint16_t *out);
/* out has room for 3 * len bytes. Returns how many were written. A lone surrogate becomes U+FFFD.
 */
size_t js_utf16_to_utf8(const uint16_t *units, size_t len, char *out);
/* How many bytes at the end are the start of a sequence that is not yet complete (0..3). */
size_t js_utf8_incomplete(struct span bytes);
bool js_utf8_valid(struct span bytes);

#endif
