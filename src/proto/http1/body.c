#include "proto/http1/body.h"

#include "proto/http1/chars.h"
#include "proto/http1/head.h"

/*
 *     size --digits--> size --';'--> extension --CR--> size_lf
 *     size_lf --LF, size > 0--> data --all read--> data_cr --> data_lf --> size
 *     size_lf --LF, size = 0--> trailers --blank line--> done
 *
 * Bodies with a length or until close stay in data until they are done.
 */
enum state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS, DONE };

void http1_body_init(struct http1_body *b, const struct http1_head *head)
{
    *b = (struct http1_body){.kind = head->body};
    switch (head->body) {
    case HTTP1_BODY_NONE:
        b->state = DONE;
        break;
    case HTTP1_BODY_LENGTH:
        b->left = (uint64_t)head->length;
        b->state = b->left == 0 ? DONE : DATA;
        break;
    case HTTP1_BODY_CHUNKED:
        b->state = SIZE;
        break;
    case HTTP1_BODY_UNTIL_CLOSE:
        b->left = UINT64_MAX;
        b->state = DATA;
        break;
    }
}

static enum http1_step bad(struct http1_body *b, const char *why)
{
    b->why = why;
    return HTTP1_STEP_BAD;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char l = span_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static const char *size_byte(struct http1_body *b, char c)
{
    int digit = hex_digit(c);
    if (++b->line > HTTP1_CHUNK_LINE_MAX) {
        return "a chunk-size line is too long";
    }
    if (digit >= 0) {
        if (b->left > (uint64_t)INT64_MAX >> 4 || b->line > 16) {
            return "a chunk size is too large";
        }
        b->left = b->left << 4 | (unsigned)digit;
        return NULL;
    }
    if (b->line == 1 || (c != ';' && c != '\r')) {
        return "a chunk size is no hexadecimal number";
    }
    b->state = c == ';' ? EXTENSION : SIZE_LF;
    return NULL;
}

static const char *extension_byte(struct http1_body *b, char c)
{
    if (++b->line > HTTP1_CHUNK_LINE_MAX || ++b->extra > HTTP1_CHUNK_EXTRA_MAX) {
        return "chunk extensions are too long";
    }
    if (c == '\r') {
        b->state = SIZE_LF;
        return NULL;
    }
    return char_is(c, CHAR_VALUE) ? NULL : "a chunk extension holds a control byte";
}

/* One byte of what stands between two runs of data. */
static const char *framing_byte(struct http1_body *b, char c)
{
    if (b->state == SIZE) {
        return size_byte(b, c);
    }
    if (b->state == EXTENSION) {
        return extension_byte(b, c);
    }
    if (c != (b->state == DATA_CR ? '\r' : '\n')) {
        return "a chunk does not end in CRLF";
    }
    if (b->state == SIZE_LF) {
        b->state = b->left > 0 ? DATA : TRAILERS;
    } else {
        b->state = b->state == DATA_CR ? DATA_LF : SIZE;
        b->line = 0;
    }
    return NULL;
}

static enum http1_step trailers(struct http1_body *b, struct span rest, struct http1_piece *out)
{
    if (rest.len < 2) {
        return HTTP1_STEP_MORE;
    }
    size_t size = 2;
    if (rest.ptr[0] != '\r' || rest.ptr[1] != '\n') {
        struct http1_refusal refusal;
        uint8_t flags[HTTP1_TRAILER_COUNT];
        enum http1_result r = head_scan(&b->scan, rest, HTTP1_TRAILERS_MAX, false, &size, &refusal);
        if (r == HTTP1_DONE) {
            r = head_fields(span_of(rest.ptr, size - 2), HTTP1_TRAILER_COUNT, out->trailers, flags,
                            &out->trailer_count, &refusal);
        }
        if (r != HTTP1_DONE) {
            return r == HTTP1_MORE ? HTTP1_STEP_MORE : bad(b, refusal.why);
        }
        for (size_t i = 0; i < out->trailer_count; i++) {
            if (flags[i] != 0) {
                return bad(b, "a trailer field touches framing or routing");
            }
        }
    }
    out->consumed += size;
    b->state = DONE;
    return HTTP1_STEP_END;
}

enum http1_step http1_body_feed(struct http1_body *b, struct span in, struct http1_piece *out)
{
    out->consumed = 0;
    out->trailer_count = 0;
    out->data = span_of(in.ptr, 0);
    if (b->why != NULL) {
        return HTTP1_STEP_BAD;
    }
    while (b->state != DONE && b->state != TRAILERS) {
        struct span rest = span_from(in, out->consumed);
        if (rest.len == 0) {
            return HTTP1_STEP_MORE;
        }
        if (b->state == DATA) {
            size_t n = rest.len < b->left ? rest.len : (size_t)b->left;
            out->data = span_of(rest.ptr, n);
            out->consumed += n;
            http1_body_took(b, n);
            return HTTP1_STEP_DATA;
        }
        const char *why = framing_byte(b, rest.ptr[0]);
        if (why != NULL) {
            return bad(b, why);
        }
        out->consumed++;
    }
    return b->state == DONE ? HTTP1_STEP_END : trailers(b, span_from(in, out->consumed), out);
}

size_t http1_body_direct(const struct http1_body *b)
{
    if (b->state != DATA) {
        return 0;
    }
    return b->left < SIZE_MAX ? (size_t)b->left : SIZE_MAX;
}

void http1_body_took(struct http1_body *b, size_t len)
{
    if (b->kind == HTTP1_BODY_UNTIL_CLOSE) {
        return;
    }
    b->left -= len < b->left ? len : b->left;
    if (b->left == 0) {
        b->state = b->kind == HTTP1_BODY_CHUNKED ? DATA_CR : DONE;
    }
}

bool http1_body_eof(const struct http1_body *b)
{
    return b->state == DONE || b->kind == HTTP1_BODY_UNTIL_CLOSE;
}

bool http1_body_done(const struct http1_body *b)
{
    return b->state == DONE;
}
