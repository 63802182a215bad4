/*
 * chars: which bytes may stand where, as one table (RFC 9110 5.5, 5.6.2; RFC 9112 3.2).
 */
#ifndef SALLYPORT_PROTO_HTTP1_CHARS_H
#define SALLYPORT_PROTO_HTTP1_CHARS_H

#include "base/span.h"

#define CHAR_TOKEN  0x01u /* tchar */
#define CHAR_VALUE  0x02u /* field value: VCHAR, obs-text, SP, HTAB */
#define CHAR_TARGET 0x04u /* request target: VCHAR without '#', and bytes above 0x7f */
#define CHAR_HOST   0x08u /* authority: VCHAR without delimiters that a URL parser would act on */

extern const uint8_t http1_chars[256];

static inline bool char_is(char c, unsigned class)
{
    return (http1_chars[(uint8_t)c] & class) != 0;
}

static inline bool span_all(struct span s, unsigned class)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!char_is(s.ptr[i], class)) {
            return false;
        }
    }
    return true;
}

#endif
