#include "isolate/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <string.h>

/* Port 1 is ISOLATE_LISTEN_PORT, 53 ISOLATE_LISTEN_DNS. Packets that answer a captured connection
 * pass here too: their socket is not transparent, so tproxy leaves them alone. */
#define RULES_HEAD                                                                                 \
    "table inet sallyport {\n"                                                                     \
    " chain capture {\n"                                                                           \
    "  type filter hook prerouting priority mangle; policy accept;\n"                              \
    "  meta l4proto != tcp accept\n"                                                               \
    "  ip daddr 127.0.0.0/8 tcp dport 1 reject with tcp reset\n"                                   \
    "  ip daddr 127.0.0.0/8 accept\n"
#define RULES_V6                                                                                   \
    "  ip6 daddr ::1 tcp dport 1 reject with tcp reset\n"                                          \
    "  ip6 daddr ::1 accept\n"
#define RULES_CAPTURE                                                                              \
    "  tcp dport 53 accept\n"                                                                      \
    "  meta nfproto ipv4 meta l4proto tcp tproxy ip to :1 accept\n"
#define RULES_CAPTURE_V6 "  meta nfproto ipv6 meta l4proto tcp tproxy ip6 to :1 accept\n"
#define RULES_TAIL                                                                                 \
    " }\n"                                                                                         \
    "}\n"

int isolate_nft_install(bool ipv6, struct error *err)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (nft == NULL) {
        return error_set(err, ENOMEM, "packet rules: start libnftables");
    }
    nft_ctx_buffer_error(nft);
    nft_ctx_buffer_output(nft);
    int rc = nft_run_cmd_from_buffer(
        nft, ipv6 ? RULES_HEAD RULES_V6 RULES_CAPTURE RULES_CAPTURE_V6 RULES_TAIL
                  : RULES_HEAD RULES_CAPTURE RULES_TAIL);
    if (rc != 0) {
        const char *why = nft_ctx_get_error_buffer(nft);
        size_t line = strcspn(why, "\n");
        rc = error_set(err, 0,
                       "packet rules: %.*s: the kernel needs nf_tables with nft_tproxy and "
                       "nft_reject_inet (modprobe nft_tproxy nft_reject_inet)",
                       (int)line, why);
    }
    nft_ctx_free(nft);
    return rc;
}
