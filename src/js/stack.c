/*
 * Stacks: from the engine's form (`function@url:line:column`, a line each) to node's, in the
 * user's files. Frames of our own shim tell a user nothing and are left out.
 */
#include "js/engine.h"

#include "js/bundle.h"

#define FRAMES_MAX 32

/* Splits `…:line:column` off the end of a frame; false when there are no two numbers. */
static bool frame_place(struct span *frame, uint32_t *line, uint32_t *column)
{
    uint32_t numbers[2];
    for (int i = 1; i >= 0; i--) {
        size_t at = frame->len;
        while (at > 0 && frame->ptr[at - 1] >= '0' && frame->ptr[at - 1] <= '9') {
            at--;
        }
        if (at == 0 || at == frame->len || frame->len - at > 9 || frame->ptr[at - 1] != ':') {
            return false;
        }
        numbers[i] = 0;
        for (size_t k = at; k < frame->len; k++) {
            numbers[i] = numbers[i] * 10 + (uint32_t)(frame->ptr[k] - '0');
        }
        frame->len = at - 1;
    }
    *line = numbers[0];
    *column = numbers[1];
    return true;
}

bool js_bundle_place(struct js_sourcemap *m, uint32_t line, uint32_t column, struct buf *out)
{
    if (line == 1) {
        if (column <= JS_WRAPPER_LEN) {
            return false;
        }
        column -= JS_WRAPPER_LEN;
    }
    return js_sourcemap_find(m, line, column, out);
}

static void put_frame(struct js_sourcemap *m, struct span frame, struct buf *out)
{
    uint32_t line;
    uint32_t column;
    if (!frame_place(&frame, &line, &column)) {
        return;
    }
    struct span url = frame;
    struct span function = {"", 0};
    const char *at = memrchr(frame.ptr, '@', frame.len);
    if (at != NULL) {
        function = span_of(frame.ptr, (size_t)(at - frame.ptr));
        url = span_from(frame, function.len + 1);
    }
    if (!span_eq(url, SPAN_LIT(JS_BUNDLE_URL))) {
        return;
    }
    buf_append_str(out, "\n    at ");
    if (function.len != 0) {
        buf_append_span(out, function);
        buf_append_str(out, " (");
    }
    if (!js_bundle_place(m, line, column, out)) {
        buf_appendf(out, "bundle:%u:%u", line, column);
    }
    buf_append_str(out, function.len != 0 ? ")" : "");
}

void js_stack_map(struct js_sourcemap *m, struct span stack, struct buf *out)
{
    for (int frames = 0; stack.len != 0 && frames < FRAMES_MAX; frames++) {
        const char *end = memchr(stack.ptr, '\n', stack.len);
        size_t len = end != NULL ? (size_t)(end - stack.ptr) : stack.len;
        if (len != 0) {
            put_frame(m, span_of(stack.ptr, len), out);
        }
        stack = span_from(stack, len + 1);
    }
}
