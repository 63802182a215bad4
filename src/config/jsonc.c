#include "config/jsonc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Past the string that starts at i (its quote), or len. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++) {
        if (text[i] == '\\') {
            i++;
        }
    }
    return i < len ? i + 1 : len;
}

static void blank_out(char *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (text[i] != '\n' && text[i] != '\r') {
            text[i] = ' ';
        }
    }
}

/* Past the comment that starts at i; 0 when it has no end. */
static size_t skip_comment(const char *text, size_t len, size_t i)
{
    if (text[i + 1] == '/') {
        while (i < len && text[i] != '\n') {
            i++;
        }
        return i;
    }
    for (i += 2; i + 1 < len; i++) {
        if (text[i] == '*' && text[i + 1] == '/') {
            return i + 2;
        }
    }
    return 0;
}

int jsonc_blank(char *text, size_t len, size_t *at)
{
    size_t comma = len; /* a comma behind a value, while only blanks and comments followed it */
    char before = '[';  /* the last byte that was neither */
    for (size_t i = 0; i < len;) {
        char c = text[i];
        if (c == '/' && i + 1 < len && (text[i + 1] == '/' || text[i + 1] == '*')) {
            size_t end = skip_comment(text, len, i);
            if (end == 0) {
                *at = i;
                return -1;
            }
            blank_out(text, i, end);
            i = end;
            continue;
        }
        if ((c == '}' || c == ']') && comma < len) {
            text[comma] = ' ';
        }
        if (!is_blank(c)) {
            comma = c == ',' && strchr("[{,:", before) == NULL ? i : len;
            before = c;
        }
        i = c == '"' ? skip_string(text, len, i) : i + 1;
    }
    return 0;
}

static int error_at(const struct jsonc *doc, size_t offset, struct error *err, const char *text)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < offset && i < doc->len; i++) {
        if (doc->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)doc->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return error_set(err, 0, "%s:%zu:%zu: %s", doc->file, line, column, text);
}

/* jansson names the end of the token it stumbled over; people look for its start. */
static size_t token_start(const struct jsonc *doc, const json_error_t *why)
{
    size_t end = why->position > 0 ? (size_t)why->position : 0;
    end = end < doc->len ? end : doc->len;
    const char *near = strstr(why->text, " near '");
    const char *quote = strrchr(why->text, '\'');
    if (near == NULL || quote == NULL || quote < near + 7) {
        return end > 0 ? end - 1 : 0;
    }
    size_t token = (size_t)(quote - near) - 7;
    return token <= end ? end - token : 0;
}

/* The engine's sentence in the form of `expected …`. */
static int syntax_error(const struct jsonc *doc, const json_error_t *why, struct error *err)
{
    switch (json_error_code(why)) {
    case json_error_premature_end_of_input:
        return error_at(doc, doc->len, err, "expected more: the file ends too early");
    case json_error_end_of_input_expected:
        return error_at(doc, token_start(doc, why), err, "expected the end of the file");
    case json_error_duplicate_key:
        return error_at(doc, token_start(doc, why), err, "a key stands twice in one object");
    case json_error_stack_overflow:
        return error_at(doc, token_start(doc, why), err, "nested too deep");
    case json_error_unknown:
    case json_error_out_of_memory:
    case json_error_cannot_open_file:
    case json_error_invalid_argument:
    case json_error_invalid_utf8:
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_character:
    case json_error_null_value:
    case json_error_null_byte_in_key:
    case json_error_numeric_overflow:
    case json_error_item_not_found:
    case json_error_index_out_of_range:
        break;
    }
    char text[JSON_ERROR_TEXT_LENGTH + 16];
    const char *expected = strstr(why->text, " expected near ");
    if (expected != NULL) {
        snprintf(text, sizeof text, "expected %.*s before %s", (int)(expected - why->text),
                 why->text, expected + 15);
    } else {
        snprintf(text, sizeof text, "expected JSON: %s", why->text);
    }
    return error_at(doc, token_start(doc, why), err, text);
}

/* jansson recurses to a depth of 2048; no configuration needs that. */
static int check_depth(const struct jsonc *doc, struct error *err)
{
    size_t depth = 0;
    for (size_t i = 0; i < doc->len;) {
        char c = doc->text[i];
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= (c == '}' || c == ']') && depth > 0 ? 1 : 0;
        if (depth > JSONC_DEPTH_MAX) {
            return error_at(doc, i, err, "nested too deep");
        }
        i = c == '"' ? skip_string(doc->text, doc->len, i) : i + 1;
    }
    return 0;
}

int jsonc_parse(const char *file, struct span text, struct jsonc *out, struct error *err)
{
    *out = (struct jsonc){.file = file};
    if (text.len > JSONC_BYTES_MAX) {
        return error_set(err, 0, "%s: larger than %u bytes", file, JSONC_BYTES_MAX);
    }
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0) {
        text = span_from(text, 3);
    }
    out->text = malloc(text.len + 1);
    if (out->text == NULL) {
        return error_set(err, ENOMEM, "%s", file);
    }
    memcpy(out->text, text.ptr, text.len);
    out->text[text.len] = '\0';
    out->len = text.len;
    size_t at = 0;
    json_error_t why;
    int rc = jsonc_blank(out->text, out->len, &at);
    if (rc < 0) {
        error_at(out, at, err, "expected */ at the end of this comment");
    } else if ((rc = check_depth(out, err)) == 0) {
        out->root = json_loadb(out->text, out->len, JSON_REJECT_DUPLICATES, &why);
        if (out->root == NULL) {
            rc = syntax_error(out, &why, err);
        } else if (!json_is_object(out->root)) {
            rc = error_at(out, 0, err, "expected an object: { … }");
        }
    }
    if (rc < 0) {
        jsonc_free(out);
    }
    return rc;
}

void jsonc_free(struct jsonc *doc)
{
    json_decref(doc->root);
    free(doc->text);
    *doc = (struct jsonc){.file = NULL};
}

static size_t skip_blanks(const struct jsonc *doc, size_t i)
{
    while (i < doc->len && is_blank(doc->text[i])) {
        i++;
    }
    return i;
}

/* Past the value that starts at i. The text is known to be valid. */
static size_t skip_value(const struct jsonc *doc, size_t i)
{
    size_t depth = 0;
    while (i < doc->len) {
        char c = doc->text[i];
        if (c == '"') {
            i = skip_string(doc->text, doc->len, i);
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return i;
        } else {
            depth += c == '{' || c == '[' ? 1 : 0;
            depth -= c == '}' || c == ']' ? 1 : 0;
            i++;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']')) {
            return i;
        }
    }
    return i;
}

static bool key_is(const struct jsonc *doc, size_t from, size_t to, const char *key)
{
    json_t *text = json_loadb(doc->text + from, to - from, JSON_DECODE_ANY, NULL);
    bool same = json_is_string(text) && strcmp(json_string_value(text), key) == 0;
    json_decref(text);
    return same;
}

/* The member of the container at i that the step names, or doc->len. */
static size_t enter(const struct jsonc *doc, size_t i, const struct jsonc_step *step)
{
    bool object = step->key != NULL;
    if (i >= doc->len || doc->text[i] != (object ? '{' : '[')) {
        return doc->len;
    }
    i = skip_blanks(doc, i + 1);
    for (size_t n = 0; i < doc->len && doc->text[i] != '}' && doc->text[i] != ']'; n++) {
        size_t start = i;
        bool found = !object && n == step->index;
        if (object) {
            size_t end = skip_string(doc->text, doc->len, i);
            found = key_is(doc, start, end, step->key);
            i = skip_blanks(doc, end);
            i = skip_blanks(doc, i + 1);
        }
        if (found) {
            return i;
        }
        i = skip_blanks(doc, skip_value(doc, i));
        i = i < doc->len && doc->text[i] == ',' ? skip_blanks(doc, i + 1) : i;
    }
    return doc->len;
}

size_t jsonc_locate(const struct jsonc *doc, const struct jsonc_step *steps, size_t count)
{
    size_t i = skip_blanks(doc, 0);
    for (size_t n = 0; n < count; n++) {
        size_t next = enter(doc, i, &steps[n]);
        if (next >= doc->len) {
            break;
        }
        i = next;
    }
    return i;
}

int jsonc_error(const struct jsonc *doc, const struct jsonc_step *steps, size_t count,
                struct error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return error_at(doc, jsonc_locate(doc, steps, count), err, text);
}
