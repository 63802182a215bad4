/*
 * js/decode: a source that undoes a Content-Encoding (RFC 9110 8.4.1) for whoever reads a body.
 */
#ifndef SALLYPORT_JS_DECODE_H
#define SALLYPORT_JS_DECODE_H

#include "base/source.h"

enum js_coding { JS_CODING_NONE, JS_CODING_GZIP, JS_CODING_DEFLATE, JS_CODING_BROTLI };

/* Takes inner (given) and gives a source of the decoded bytes, of unknown length; inner itself for
 * JS_CODING_NONE; NULL when memory is out (inner is closed then). A read decodes at most what fits
 * into its destination, whatever the ratio. Ill-formed or cut off input is -EBADMSG. */
struct source *js_decode(struct source *inner, enum js_coding coding);

#endif
