/*
 * form: application/x-www-form-urlencoded (URL standard 5) and the percent-encode sets (1.3).
 */
#ifndef SALLYPORT_PROTO_URL_FORM_H
#define SALLYPORT_PROTO_URL_FORM_H

#include "base/buf.h"
#include "base/span.h"

enum url_set {
    URL_SET_C0_CONTROL,
    URL_SET_FRAGMENT,
    URL_SET_QUERY,
    URL_SET_SPECIAL_QUERY,
    URL_SET_PATH,
    URL_SET_USERINFO,
    URL_SET_COMPONENT,
    URL_SET_FORM,
    URL_SET_COUNT
};

/* One pair, decoded, UTF-8; both spans are lent until the call returns. false stops the parse. */
typedef bool (*url_form_fn)(void *arg, struct span name, struct span value);

/* Calls each for every pair of input (without a leading '?'). false: no memory, or each said so. */
bool url_form_parse(struct span input, url_form_fn each, void *arg);
/* Appends "name=value", after a '&' when out holds bytes. Bytes that are not UTF-8 become U+FFFD.
 */
bool url_form_append(struct buf *out, struct span name, struct span value);

bool url_percent_encode(struct buf *out, struct span in, enum url_set set);
/* The bytes as they are: the result need not be UTF-8. */
bool url_percent_decode(struct buf *out, struct span in);
/* Appends in with every ill-formed sequence replaced by U+FFFD, as the Encoding standard decodes.
 */
bool url_utf8_repair(struct buf *out, struct span in);

#endif
