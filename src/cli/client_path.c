#include "cli/client.h"

#define PATH_BYTES_MAX (16u * 1024u)

void client_path_start(struct client_request *r, const char *method, const char *fixed)
{
    *r = (struct client_request){.method = method};
    buf_init(&r->path, PATH_BYTES_MAX);
    buf_append_str(&r->path, fixed);
}

static bool append_encoded(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        bool good = plain ? buf_append(out, text.ptr + i, 1) : buf_appendf(out, "%%%02X", c);
        if (!good) {
            return false;
        }
    }
    return true;
}

bool client_path_segment(struct client_request *r, struct span text)
{
    return buf_append_str(&r->path, "/") && append_encoded(&r->path, text);
}

bool client_path_query(struct client_request *r, const char *name, struct span value)
{
    struct span path = buf_span(&r->path);
    const char *lead = memchr(path.ptr, '?', path.len) != NULL ? "&" : "?";
    return buf_append_str(&r->path, lead) && buf_append_str(&r->path, name) &&
           buf_append_str(&r->path, "=") && append_encoded(&r->path, value);
}
