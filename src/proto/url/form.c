/*
 * Percent-encode sets and application/x-www-form-urlencoded.
 */
#include "proto/url/internal.h"

#define FRAGMENT_LOW (URL_BIT(' ') | URL_BIT('"') | URL_BIT('<') | URL_BIT('>'))
#define QUERY_LOW    (FRAGMENT_LOW | URL_BIT('#'))
#define PATH_LOW     (QUERY_LOW | URL_BIT('?'))
#define PATH_HIGH    (URL_BIT('^') | URL_BIT('`') | URL_BIT('{') | URL_BIT('}'))
#define USER_LOW     (PATH_LOW | URL_BIT('/') | URL_BIT(':') | URL_BIT(';') | URL_BIT('='))
#define USER_HIGH                                                                                  \
    (PATH_HIGH | URL_BIT('@') | URL_BIT('[') | URL_BIT('\\') | URL_BIT(']') | URL_BIT('|'))
#define COMPONENT_LOW                                                                              \
    (USER_LOW | URL_BIT('$') | URL_BIT('%') | URL_BIT('&') | URL_BIT('+') | URL_BIT(','))
#define FORM_LOW (COMPONENT_LOW | URL_BIT('!') | URL_BIT('\'') | URL_BIT('(') | URL_BIT(')'))

/* What a set adds to the C0 control set; index [0] is U+0000..3F, [1] is U+0040..7F. */
static const uint64_t sets[][2] = {
    [URL_SET_C0_CONTROL] = {0, 0},
    [URL_SET_FRAGMENT] = {FRAGMENT_LOW, URL_BIT('`')},
    [URL_SET_QUERY] = {QUERY_LOW, 0},
    [URL_SET_SPECIAL_QUERY] = {QUERY_LOW | URL_BIT('\''), 0},
    [URL_SET_PATH] = {PATH_LOW, PATH_HIGH},
    [URL_SET_USERINFO] = {USER_LOW, USER_HIGH},
    [URL_SET_COMPONENT] = {COMPONENT_LOW, USER_HIGH},
    [URL_SET_FORM] = {FORM_LOW, USER_HIGH | URL_BIT('~')},
};
_Static_assert(sizeof sets / sizeof sets[0] == URL_SET_COUNT, "every set has its bits");

static bool must_encode(uint8_t c, enum url_set set)
{
    return c < 0x20 || c > 0x7e || URL_IN(sets[set], c);
}

static bool encode(struct buf *out, struct span in, enum url_set set, bool plus)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t run = 0;

    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = (uint8_t)in.ptr[i];
        if (!must_encode(c, set)) {
            continue;
        }
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool space = plus && c == ' ';
        if (!buf_append(out, in.ptr + run, i - run) ||
            !buf_append(out, space ? "+" : code, space ? 1 : 3)) {
            return false;
        }
        run = i + 1;
    }
    return buf_append(out, in.ptr + run, in.len - run);
}

bool url_percent_encode(struct buf *out, struct span in, enum url_set set)
{
    return encode(out, in, set, false);
}

static bool decode(struct buf *out, struct span in, bool plus)
{
    char *to = buf_reserve(out, in.len);
    size_t len = 0;

    if (in.len == 0) {
        return true;
    }
    if (to == NULL) {
        return false;
    }
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        int high = c == '%' && in.len - i > 2 ? url_hex(in.ptr[i + 1]) : -1;
        int low = high >= 0 ? url_hex(in.ptr[i + 2]) : -1;
        if (low >= 0) {
            c = (char)((unsigned)high << 4 | (unsigned)low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[len++] = c;
    }
    buf_commit(out, len);
    return true;
}

bool url_percent_decode(struct buf *out, struct span in)
{
    return decode(out, in, false);
}

/* Appends the decoded text, as UTF-8, and gives where it stands. */
static bool form_decode(struct buf *tmp, struct buf *out, struct span in)
{
    buf_clear(tmp);
    return decode(tmp, in, true) && url_utf8_repair(out, buf_span(tmp));
}

static bool form_pair(struct span pair, url_form_fn each, void *arg, struct buf tmp[3])
{
    const char *eq = memchr(pair.ptr, '=', pair.len);
    size_t name = eq != NULL ? (size_t)(eq - pair.ptr) : pair.len;

    buf_clear(&tmp[1]);
    buf_clear(&tmp[2]);
    return form_decode(&tmp[0], &tmp[1], span_of(pair.ptr, name)) &&
           form_decode(&tmp[0], &tmp[2], span_from(pair, eq != NULL ? name + 1 : name)) &&
           each(arg, buf_span(&tmp[1]), buf_span(&tmp[2]));
}

bool url_form_parse(struct span input, url_form_fn each, void *arg)
{
    /* One ill-formed byte becomes the three of U+FFFD. */
    struct buf tmp[3];
    bool ok = true;

    for (int i = 0; i < 3; i++) {
        buf_init(&tmp[i], input.len * 3 + 1);
    }
    for (size_t at = 0; ok && at < input.len;) {
        struct span rest = span_from(input, at);
        const char *amp = memchr(rest.ptr, '&', rest.len);
        size_t len = amp != NULL ? (size_t)(amp - rest.ptr) : rest.len;
        if (len > 0) {
            ok = form_pair(span_of(rest.ptr, len), each, arg, tmp);
        }
        at += len + 1;
    }
    for (int i = 0; i < 3; i++) {
        buf_free(&tmp[i]);
    }
    return ok;
}

/* A string that is not UTF-8 is repaired on the way; most are. */
static bool form_encode(struct buf *out, struct span in)
{
    if (url_utf8_valid(in)) {
        return encode(out, in, URL_SET_FORM, true);
    }
    struct buf tmp;
    buf_init(&tmp, in.len * 3 + 1);
    bool ok = url_utf8_repair(&tmp, in) && encode(out, buf_span(&tmp), URL_SET_FORM, true);
    buf_free(&tmp);
    return ok;
}

bool url_form_append(struct buf *out, struct span name, struct span value)
{
    return (buf_len(out) == 0 || buf_append(out, "&", 1)) && form_encode(out, name) &&
           buf_append(out, "=", 1) && form_encode(out, value);
}
