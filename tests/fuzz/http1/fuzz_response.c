/* A response head and its body, cut into pieces: the same result whatever the pieces. */
#include "base/buf.h"
#include "proto/http1/body.h"
#include "proto/http1/write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static enum http1_step decode(const struct http1_head *head, struct span in, size_t step,
                              struct buf *out, size_t *used)
{
    struct http1_body b;
    struct http1_piece piece;
    size_t at = 0;
    http1_body_init(&b, head);
    for (size_t have = 0;; have += step) {
        have = have < in.len ? have : in.len;
        enum http1_step r;
        do {
            r = http1_body_feed(&b, span_of(in.ptr + at, have - at), &piece);
            need(piece.consumed <= have - at && piece.data.len <= piece.consumed);
            at += piece.consumed;
            buf_append_span(out, r == HTTP1_STEP_DATA ? piece.data : span_of("", 0));
        } while (r == HTTP1_STEP_DATA);
        for (size_t i = 0; r == HTTP1_STEP_END && i < piece.trailer_count; i++) {
            need(http1_is_token(piece.trailers[i].name) && http1_is_value(piece.trailers[i].value));
            need(http1_field_flags(piece.trailers[i].name) == 0);
        }
        if (r != HTTP1_STEP_MORE || have == in.len) {
            *used = at;
            return r;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum http1_asked asked = (enum http1_asked)(data[0] % 3);
    size_t step = data[1] % 64 + 1u;
    struct span in = span_of(data + 2, size - 2);
    struct http1_response res;
    struct http1_refusal refusal;
    struct http1_scan scan = {0};
    if (http1_response_parse(&scan, in, asked, &res, &refusal) != HTTP1_DONE) {
        return 0;
    }
    need(res.status >= 100 && res.status <= 599 && res.head.size <= in.len);
    struct span body = span_from(in, res.head.size);
    struct buf one, many;
    size_t used_one, used_many;
    buf_init(&one, 1u << 20);
    buf_init(&many, 1u << 20);
    enum http1_step a = decode(&res.head, body, body.len + 1, &one, &used_one);
    enum http1_step b = decode(&res.head, body, step, &many, &used_many);
    need(a == b);
    need(a == HTTP1_STEP_BAD || used_one == used_many);
    need(span_eq(buf_span(&one), buf_span(&many)));
    buf_free(&one);
    buf_free(&many);
    return 0;
}
