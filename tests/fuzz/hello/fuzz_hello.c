/* A ClientHello, cut: never an answer before the whole is there that a longer prefix changes. */
#include "proto/hello/hello.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    size_t cut = size > 1 ? data[0] % (size - 1) : 0;
    struct span in = span_of(data + 1, size - 1);
    struct hello whole, part;
    enum hello_result a = hello_parse(in, &whole);
    enum hello_result b = hello_parse(span_of(in.ptr, cut), &part);
    need(b == HELLO_MORE || b == a);
    if (a == HELLO_DONE) {
        for (size_t i = 0; i < whole.sni.len; i++) {
            need((uint8_t)whole.sni.ptr[i] > 0x20 && (uint8_t)whole.sni.ptr[i] < 0x7f);
        }
        need(whole.has_sni == (whole.sni.len > 0) && whole.sni.len <= HELLO_NAME_MAX);
        for (size_t i = 0; i < whole.alpn_count; i++) {
            need(whole.alpn[i].len > 0 && whole.alpn[i].ptr[0] == whole.alpn[i].ptr[0]);
        }
        hello_free(&whole);
    }
    if (b == HELLO_DONE) {
        hello_free(&part);
    }
    return 0;
}
