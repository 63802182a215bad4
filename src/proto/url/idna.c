/*
 * "Domain to ASCII" (3.3) by ICU's UTS 46: the only file that includes ICU.
 */
#include "proto/url/internal.h"

#include <pthread.h>
#include <unicode/uidna.h>

/* CheckHyphens and VerifyDnsLength are false in the URL standard. */
#define IGNORED_ERRORS                                                                             \
    (UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG |     \
     UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4)

/*
 * Mappings that UTS 46 changed for Unicode 15.1 to 17 and that Debian's ICU (Unicode 15) does not
 * have. They are applied before ICU sees the name. Characters that are newer than ICU itself stay
 * errors. to 0: the character is ignored.
 */
static const struct {
    uint32_t first;
    uint32_t last;
    uint32_t to; /* of first; the others follow */
} newer[] = {
    {0x04c0, 0x04c0, 0x04cf},    {0x10a0, 0x10c5, 0x2d00},   {0x115f, 0x1160, 0},
    {0x17b4, 0x17b5, 0},         {0x180e, 0x180e, 0},        {0x1e9e, 0x1e9e, 0xdf},
    {0x2061, 0x2063, 0},         {0x206a, 0x206f, 0},        {0x2132, 0x2132, 0x214e},
    {0x2183, 0x2183, 0x2184},    {0x3164, 0x3164, 0},        {0xffa0, 0xffa0, 0},
    {0x1d173, 0x1d17a, 0},       {0x2f868, 0x2f868, 0x36fc}, {0x2f874, 0x2f874, 0x5f53},
    {0x2f91f, 0x2f91f, 0x243ab}, {0x2f95f, 0x2f95f, 0x7aee}, {0x2f9bf, 0x2f9bf, 0x45d7},
};

/* The row of newer that cp falls into, or -1. */
static int newer_row(UChar32 cp)
{
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        if ((uint32_t)cp >= newer[i].first && (uint32_t)cp <= newer[i].last) {
            return (int)i;
        }
    }
    return -1;
}

/* The code point at p and its length; the text is known to be well formed. */
static UChar32 decode(const uint8_t *p, size_t *len)
{
    if (p[0] < 0x80) {
        *len = 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *len = 2;
        return (p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *len = 3;
        return (p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *len = 4;
    return (p[0] & 0x07) << 18 | (p[1] & 0x3f) << 12 | (p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

/* Writes a code point that is not ASCII; returns its length. */
static size_t encode(uint32_t cp, char *to)
{
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};

    for (size_t i = len - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    to[0] = (char)(lead[len] | cp);
    return len;
}

/* in, which is well-formed UTF-8, with the newer mappings; none is longer than what it replaces. */
static size_t map_newer(struct span in, char *out)
{
    size_t len = 0;

    for (size_t at = 0, step; at < in.len; at += step) {
        UChar32 cp = decode((const uint8_t *)in.ptr + at, &step);
        int row = newer_row(cp);
        if (row < 0) {
            memcpy(out + len, in.ptr + at, step);
            len += step;
        } else if (newer[row].to != 0) {
            len += encode(newer[row].to + ((uint32_t)cp - newer[row].first), out + len);
        }
    }
    return len;
}

static UIDNA *idna; /* immutable once opened; shared by threads, lives as long as the process */

static void open_idna(void)
{
    UErrorCode code = U_ZERO_ERROR;

    idna = uidna_openUTS46(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                               UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                           &code);
    if (U_FAILURE(code)) {
        idna = NULL;
    }
}

static bool accepted(const UIDNAInfo *info, UErrorCode code)
{
    return U_SUCCESS(code) && (info->errors & ~(uint32_t)IGNORED_ERRORS) == 0;
}

bool url_domain_to_ascii(struct span in, struct buf *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char mapped[URL_IDNA_INPUT_MAX];
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode code = U_ZERO_ERROR;

    if (in.len > URL_IDNA_INPUT_MAX || pthread_once(&once, open_idna) != 0 || idna == NULL) {
        return false;
    }
    int32_t len = (int32_t)map_newer(in, mapped);
    char *to = buf_reserve(out, 4 * URL_IDNA_INPUT_MAX);
    if (to == NULL) {
        return false;
    }
    /* A result that does not fit is far beyond any name and fails with U_BUFFER_OVERFLOW_ERROR. */
    len = uidna_nameToASCII_UTF8(idna, mapped, len, to, 4 * URL_IDNA_INPUT_MAX, &info, &code);
    if (!accepted(&info, code)) {
        return false;
    }
    buf_commit(out, (size_t)len);
    return true;
}
