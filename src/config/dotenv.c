#include "config/dotenv.h"
#include "base/buf.h"

#include <errno.h>

struct reader {
    const char *file;
    struct span text;
    size_t at;
    unsigned line; /* of `at`, from 1 */
};

static bool at_end(const struct reader *r)
{
    return r->at >= r->text.len;
}

static char peek(const struct reader *r)
{
    return at_end(r) ? '\n' : r->text.ptr[r->at];
}

static void skip_spaces(struct reader *r)
{
    while (!at_end(r) && (peek(r) == ' ' || peek(r) == '\t')) {
        r->at++;
    }
}

static void skip_line(struct reader *r)
{
    while (!at_end(r) && peek(r) != '\n') {
        r->at++;
    }
    if (!at_end(r)) {
        r->at++;
        r->line++;
    }
}

static int fail(const struct reader *r, unsigned line, struct error *err, const char *why)
{
    return error_set(err, 0, "%s:%u: %s", r->file, line, why);
}

static bool is_name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static struct span read_word(struct reader *r)
{
    size_t start = r->at;
    while (!at_end(r) && is_name_byte(peek(r))) {
        r->at++;
    }
    return span_of(r->text.ptr + start, r->at - start);
}

static struct span read_name(struct reader *r)
{
    struct span word = read_word(r);
    if (span_eq(word, SPAN_LIT("export")) && (peek(r) == ' ' || peek(r) == '\t')) {
        skip_spaces(r);
        word = read_word(r);
    }
    return word;
}

static char unescape(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
}

static bool is_escape(char c)
{
    return c == 'n' || c == 'r' || c == 't' || c == '"' || c == '\\';
}

/* After the opening quote; the closing one is consumed. */
static int read_quoted(struct reader *r, char quote, struct buf *value, struct error *err)
{
    unsigned opened = r->line;
    for (; !at_end(r) && peek(r) != quote; r->at++) {
        char c = peek(r);
        r->line += c == '\n' ? 1 : 0;
        bool escaped = quote == '"' && c == '\\' && r->at + 1 < r->text.len &&
                       is_escape(r->text.ptr[r->at + 1]);
        if (escaped) {
            r->at++;
            c = unescape(peek(r));
        }
        if (!buf_append(value, &c, 1)) {
            return fail(r, opened, err, "the value is too long");
        }
    }
    if (at_end(r)) {
        return fail(r, opened, err, "expected the closing quote of this value");
    }
    r->at++;
    skip_spaces(r);
    if (!at_end(r) && peek(r) != '\n' && peek(r) != '\r' && peek(r) != '#') {
        return fail(r, r->line, err, "expected the end of the line after the closing quote");
    }
    return 0;
}

/* To the end of the line or a # that a blank precedes; blanks at the end are dropped. */
static struct span read_plain(struct reader *r)
{
    size_t start = r->at;
    size_t end = r->at;
    for (; !at_end(r) && peek(r) != '\n'; r->at++) {
        char c = peek(r);
        if (c == '#' && (r->at == start || end < r->at)) {
            break;
        }
        if (c != ' ' && c != '\t' && c != '\r') {
            end = r->at + 1;
        }
    }
    return span_of(r->text.ptr + start, end - start);
}

static int read_value(struct reader *r, struct buf *value, struct error *err)
{
    skip_spaces(r);
    char c = peek(r);
    if (c == '"' || c == '\'' || c == '`') {
        r->at++;
        return read_quoted(r, c, value, err);
    }
    return buf_append_span(value, read_plain(r)) ? 0
                                                 : fail(r, r->line, err, "the value is too long");
}

static int read_assignment(struct reader *r, struct buf *value, struct secrets *out,
                           struct error *err)
{
    unsigned line = r->line;
    struct span name = read_name(r);
    skip_spaces(r);
    if (name.len == 0 || (peek(r) != '=' && peek(r) != ':')) {
        return fail(r, line, err, "expected NAME=VALUE");
    }
    r->at++;
    int rc = read_value(r, value, err);
    if (rc < 0) {
        return rc;
    }
    rc = secrets_put(out, name, buf_span(value), err);
    return rc < 0 ? error_prefix(err, "%s:%u", r->file, line) : 0;
}

int dotenv_parse(const char *file, struct span text, struct secrets *out, struct error *err)
{
    if (text.len > DOTENV_BYTES_MAX) {
        return error_set(err, 0, "%s: larger than %u bytes", file, DOTENV_BYTES_MAX);
    }
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0) {
        text = span_from(text, 3);
    }
    struct reader r = {.file = file, .text = text, .line = 1};
    struct buf value;
    buf_init(&value, 2 * SECRET_VALUE_MAX);
    /* All of it now: growing would leave unwiped copies behind. */
    int rc = buf_reserve(&value, value.ceiling) != NULL ? 0 : error_set(err, ENOMEM, "%s", file);
    while (rc == 0 && !at_end(&r)) {
        skip_spaces(&r);
        if (peek(&r) == '\r' || peek(&r) == '\n' || peek(&r) == '#') {
            skip_line(&r);
            continue;
        }
        buf_clear(&value);
        rc = read_assignment(&r, &value, out, err);
        skip_line(&r);
    }
    buf_wipe(&value);
    return rc;
}
