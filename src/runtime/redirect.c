#include "runtime/redirect.h"

bool redirect_is_status(uint16_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

enum redirect_body redirect_method(uint16_t status, struct span method)
{
    bool post = span_eq(method, SPAN_LIT("POST"));
    bool get = span_eq(method, SPAN_LIT("GET")) || span_eq(method, SPAN_LIT("HEAD"));
    if (((status == 301 || status == 302) && post) || (status == 303 && !get)) {
        return REDIRECT_BODY_DROP;
    }
    return REDIRECT_BODY_KEEP;
}

bool redirect_target(const struct url *from, struct span location, struct url *out)
{
    if (!url_parse(out, location, from)) {
        return false;
    }
    if (out->kind != URL_SCHEME_HTTP && out->kind != URL_SCHEME_HTTPS) {
        url_free(out);
        return false;
    }
    return true;
}

bool redirect_same_origin(const struct url *a, const struct url *b)
{
    return a->kind == b->kind && span_eq(url_get_hostname(a), url_get_hostname(b)) &&
           url_port_or_default(a) == url_port_or_default(b);
}
