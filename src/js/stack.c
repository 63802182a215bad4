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

/* Takes a frame apart: its function (empty: none) and where in the bundle it is; false for a frame
 * of our own. */
static bool frame_of_bundle(struct span frame, struct span *function, uint32_t *line,
                            uint32_t *column)
{
    *function = span_of("", 0);
    if (!frame_place(&frame, line, column)) {
        return false;
    }
    struct span url = frame;
    const char *at = memrchr(frame.ptr, '@', frame.len);
    if (at != NULL) {
        *function = span_of(frame.ptr, (size_t)(at - frame.ptr));
        url = span_from(frame, function->len + 1);
    }
    return span_eq(url, SPAN_LIT(JS_BUNDLE_URL));
}

static void put_frame(struct js_sourcemap *m, struct span frame, struct buf *out)
{
    uint32_t line;
    uint32_t column;
    struct span function;
    if (!frame_of_bundle(frame, &function, &line, &column)) {
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

/* The next frame off the front of *stack; empty at the end. */
static struct span frame_next(struct span *stack)
{
    const char *end = memchr(stack->ptr, '\n', stack->len);
    size_t len = end != NULL ? (size_t)(end - stack->ptr) : stack->len;
    struct span frame = span_of(stack->ptr, len);
    *stack = span_from(*stack, len + 1);
    return frame;
}

void js_stack_map(struct js_sourcemap *m, struct span stack, struct buf *out)
{
    for (int frames = 0; stack.len != 0 && frames < FRAMES_MAX; frames++) {
        struct span frame = frame_next(&stack);
        if (frame.len != 0) {
            put_frame(m, frame, out);
        }
    }
}

bool js_stack_place(struct js_sourcemap *m, struct span stack, struct buf *out)
{
    uint32_t line;
    uint32_t column;
    struct span function;
    for (int frames = 0; stack.len != 0 && frames < FRAMES_MAX; frames++) {
        if (frame_of_bundle(frame_next(&stack), &function, &line, &column) &&
            js_bundle_place(m, line, column, out)) {
            return true;
        }
    }
    return false;
}
