#include "js/host.h"

/* Takes up to the next LF off the front; false when there is none. */
static bool take_line(struct span *text, struct span *line)
{
    const char *end = text->len != 0 ? memchr(text->ptr, '\n', text->len) : NULL;
    if (end == NULL) {
        return false;
    }
    *line = span_of(text->ptr, (size_t)(end - text->ptr));
    *text = span_from(*text, line->len + 1);
    return true;
}

bool js_change_next(struct span *log, struct js_change *out)
{
    struct span rest = *log;
    struct span head;
    if (!take_line(&rest, &head) || head.len < 2 || !take_line(&rest, &out->value)) {
        return false;
    }
    out->op = head.ptr[0];
    out->name = span_from(head, 1);
    *log = rest;
    return true;
}
