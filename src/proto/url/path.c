/*
 * Path state of the basic URL parser (4.4), on the serialised path: "" is no segment, and every
 * segment begins with '/'.
 */
#include "proto/url/internal.h"

bool url_is_drive_letter(struct span s)
{
    return s.len == 2 && url_is_alpha(s.ptr[0]) && (s.ptr[1] == ':' || s.ptr[1] == '|');
}

bool url_is_normalized_drive_letter(struct span s)
{
    return url_is_drive_letter(s) && s.ptr[1] == ':';
}

bool url_starts_with_drive_letter(struct span s)
{
    if (s.len < 2 || !url_is_drive_letter(span_of(s.ptr, 2))) {
        return false;
    }
    return s.len == 2 || s.ptr[2] == '/' || s.ptr[2] == '\\' || s.ptr[2] == '?' || s.ptr[2] == '#';
}

static struct span written(const struct url_writer *w)
{
    return span_from(buf_span(&w->out), w->u.path.at);
}

static void truncate_to(struct url_writer *w, size_t path_len)
{
    w->out.end = w->out.start + w->u.path.at + path_len;
}

void url_path_shorten(struct url_writer *w)
{
    struct span path = written(w);

    if (w->u.kind == URL_SCHEME_FILE && path.len == 3 &&
        url_is_normalized_drive_letter(span_from(path, 1))) {
        return;
    }
    const char *slash = path.len > 0 ? memrchr(path.ptr, '/', path.len) : NULL;
    if (slash != NULL) {
        truncate_to(w, (size_t)(slash - path.ptr));
    }
}

/* Number of dots when s is one or two of them, each maybe spelled %2e; else 0. */
static int dots(struct span s)
{
    int count = 0;

    for (size_t at = 0; at < s.len; count++) {
        struct span rest = span_from(s, at);
        if (rest.ptr[0] == '.') {
            at++;
        } else if (rest.len >= 3 && rest.ptr[0] == '%' && rest.ptr[1] == '2' &&
                   span_lower(rest.ptr[2]) == 'e') {
            at += 3;
        } else {
            return 0;
        }
        if (count == 2) {
            return 0;
        }
    }
    return count;
}

static void segment(struct url_writer *w, struct span seg, bool slash)
{
    int n = dots(seg);

    if (n == 2) {
        url_path_shorten(w);
    }
    if (n > 0) {
        if (!slash) {
            url_writer_put(w, SPAN_LIT("/"));
        }
        return;
    }
    bool drive = w->u.kind == URL_SCHEME_FILE && written(w).len == 0 && url_is_drive_letter(seg);
    url_writer_put(w, SPAN_LIT("/"));
    if (drive) {
        url_writer_put(w, span_of(seg.ptr, 1));
        url_writer_put(w, SPAN_LIT(":"));
    } else {
        url_writer_encode(w, seg, URL_SET_PATH);
    }
}

size_t url_path_write(struct url_writer *w, struct span in, bool all)
{
    bool special = url_is_special(&w->u);
    size_t at = 0;

    for (;;) {
        size_t end = at;
        char c = '\0';
        bool slash = false;
        for (; end < in.len; end++) {
            c = in.ptr[end];
            slash = c == '/' || (special && c == '\\');
            if (slash || (!all && (c == '?' || c == '#'))) {
                break;
            }
        }
        slash = slash && end < in.len;
        segment(w, span_of(in.ptr + at, end - at), slash);
        at = end;
        if (!slash || w->failed) {
            break;
        }
        at++;
    }
    w->u.path.len = url_writer_at(w) - w->u.path.at;
    return at;
}
