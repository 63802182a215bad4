/*
 * redirect: the rules by which a response sends a fetch elsewhere (Fetch standard 4.4,
 * HTTP-redirect fetch; RFC 9110 15.4). Pure.
 */
#ifndef SALLYPORT_RUNTIME_REDIRECT_H
#define SALLYPORT_RUNTIME_REDIRECT_H

#include "base/span.h"
#include "proto/url/url.h"

bool redirect_is_status(uint16_t status);

enum redirect_body {
    REDIRECT_BODY_KEEP, /* the method stays, the body is sent again */
    REDIRECT_BODY_DROP  /* it becomes a GET without a body */
};
enum redirect_body redirect_method(uint16_t status, struct span method);

/* Location against the URL it came from. false: not a URL that a fetch may go to. */
bool redirect_target(const struct url *from, struct span location, struct url *out);
/* Scheme, host and port are the same. */
bool redirect_same_origin(const struct url *a, const struct url *b);

#endif
