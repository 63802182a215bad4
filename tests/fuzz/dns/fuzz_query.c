/* A query and every answer to it: each fits, and each can be read again as far as its question. */
#include "proto/dns/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* An answer with the response bit cleared and its record cut off is the query again. */
static void same_question(const struct dns_query *q, const uint8_t *answer, size_t len)
{
    uint8_t copy[DNS_ANSWER_MAX];
    struct dns_query again;
    enum dns_rcode rcode;
    need(len >= 12 && len <= 512);
    memcpy(copy, answer, len);
    copy[2] &= 0x01;
    copy[3] = 0;
    copy[7] = copy[11] = 0;
    struct span in = span_of(copy, 12 + q->question_len);
    need(dns_query_parse(in, &again, &rcode) == DNS_OK);
    need(again.id == q->id && again.type == q->type && again.name_len == q->name_len);
    need(memcmp(again.name, q->name, q->name_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct span message;
    struct dns_query q;
    enum dns_rcode rcode = DNS_NOERROR;
    uint8_t out[DNS_ANSWER_MAX];
    uint8_t addr[16] = {1, 2, 3, 4};
    int frame = dns_tcp_frame(in, &message);
    need(frame < 0 || (size_t)frame <= size);
    enum dns_result r = dns_query_parse(in, &q, &rcode);
    if (r == DNS_BAD) {
        size_t len = dns_answer_error(&q, rcode, out);
        need(len >= 12 && len <= 512 && rcode != DNS_NOERROR);
    }
    if (r != DNS_OK) {
        return 0;
    }
    need(strlen(q.name) == q.name_len);
    same_question(&q, out, dns_answer_a(&q, addr, 1, out));
    same_question(&q, out, dns_answer_aaaa(&q, addr, 1, out));
    same_question(&q, out, dns_answer_empty(&q, out));
    same_question(&q, out, dns_answer_error(&q, DNS_NXDOMAIN, out));
    if (q.name_len > 0) {
        same_question(&q, out, dns_answer_ptr(&q, span_of(q.name, q.name_len), 1, out));
    }
    dns_reverse_addr(span_of(q.name, q.name_len), addr);
    return 0;
}
