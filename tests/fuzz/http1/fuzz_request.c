/* A request head: cut anywhere it parses the same; what is accepted can be written again, and the
 * written one is one request that says the same. */
#include "base/buf.h"
#include "proto/http1/write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool inside(struct span s, struct span in)
{
    return s.len == 0 || (s.ptr >= in.ptr && s.ptr + s.len <= in.ptr + in.len);
}

static void write_again(const struct http1_request *req)
{
    struct http1_header fields[HTTP1_HEADER_COUNT];
    struct http1_request again;
    struct http1_refusal refusal;
    struct http1_scan scan = {0};
    struct buf out;
    buf_init(&out, 1u << 20);
    struct http1_request_out w = {
        .method = req->method,
        .target = req->path,
        .authority = req->authority,
        .headers = fields,
        .header_count = http1_fields(
            &req->head,
            HTTP1_FIELD_HOST | HTTP1_FIELD_FRAMING | HTTP1_FIELD_HOP | HTTP1_FIELD_EXPECT, fields),
        .body = req->head.body,
        .length = req->head.length,
        .expect_continue = req->expect_continue,
    };
    need(http1_write_request(&out, &w));
    need(http1_request_parse(&scan, buf_span(&out), &again, &refusal) == HTTP1_DONE ||
         refusal.status == 431); /* our own lines may lift it over a ceiling */
    if (scan.lines > 0 && buf_len(&out) < HTTP1_REQUEST_HEAD_MAX && again.head.size > 0) {
        need(again.head.size == buf_len(&out));
        need(span_eq(again.method, req->method));
        need(span_eq(again.path, req->path));
        need(span_eq(again.authority, req->authority));
        bool added_length = req->head.body == HTTP1_BODY_NONE;
        need(added_length || again.head.body == req->head.body);
        need(added_length || again.head.length == req->head.length);
        need(again.head.keep_alive);
    }
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t cut = (size_t)(data[0] << 8 | data[1]);
    struct span in = span_of(data + 2, size - 2);
    struct http1_request req = {.head.size = 0};
    struct http1_request parts = {.head.size = 0};
    struct http1_refusal refusal;
    struct http1_scan scan = {0};
    enum http1_result whole = http1_request_parse(&scan, in, &req, &refusal);
    scan = (struct http1_scan){0};
    enum http1_result r = HTTP1_MORE;
    if (cut < in.len) {
        r = http1_request_parse(&scan, span_of(in.ptr, cut), &parts, &refusal);
    }
    if (r == HTTP1_MORE) {
        r = http1_request_parse(&scan, in, &parts, &refusal);
    }
    need(r == whole);
    if (in.len > 0) {
        http1_sniff(in);
    }
    if (whole != HTTP1_DONE) {
        return 0;
    }
    need(req.head.size == parts.head.size && req.head.size <= in.len);
    need(inside(req.method, in) && inside(req.target, in) && inside(req.authority, in));
    for (size_t i = 0; i < req.head.count; i++) {
        need(http1_is_token(req.head.headers[i].name) && http1_is_value(req.head.headers[i].value));
        need(inside(req.head.headers[i].name, in) && inside(req.head.headers[i].value, in));
    }
    if (req.form != HTTP1_AUTHORITY && req.authority.len > 0) {
        write_again(&req);
    }
    return 0;
}
