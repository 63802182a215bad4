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

bool url_domain_to_ascii(struct span in, struct buf *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char small[512];
    struct buf big;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode code = U_ZERO_ERROR;

    if (in.len > URL_IDNA_INPUT_MAX || pthread_once(&once, open_idna) != 0 || idna == NULL) {
        return false;
    }
    int32_t len =
        uidna_nameToASCII_UTF8(idna, in.ptr, (int32_t)in.len, small, sizeof small, &info, &code);
    if (code == U_STRING_NOT_TERMINATED_WARNING) {
        code = U_ZERO_ERROR;
    }
    if (code != U_BUFFER_OVERFLOW_ERROR) {
        return U_SUCCESS(code) && (info.errors & ~(uint32_t)IGNORED_ERRORS) == 0 &&
               buf_append(out, small, (size_t)len);
    }
    buf_init(&big, (size_t)len + 1);
    char *to = buf_reserve(&big, (size_t)len + 1);
    bool ok = to != NULL;
    if (ok) {
        info = (UIDNAInfo)UIDNA_INFO_INITIALIZER;
        code = U_ZERO_ERROR;
        len = uidna_nameToASCII_UTF8(idna, in.ptr, (int32_t)in.len, to, len + 1, &info, &code);
        ok = U_SUCCESS(code) && (info.errors & ~(uint32_t)IGNORED_ERRORS) == 0 &&
             buf_append(out, to, (size_t)len);
    }
    buf_free(&big);
    return ok;
}
