#include "config/dotenv.h"

#include <errno.h>
#include <stdlib.h>

int secret_check_name(struct span name, struct error *err)
{
    bool good = name.len > 0 && name.len <= SECRET_NAME_MAX;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        good = letter || (i > 0 && c >= '0' && c <= '9');
    }
    if (!good) {
        return error_set(err, 0,
                         "secret \"%.*s\": not a name: use letters, digits and _, at most %u",
                         (int)(name.len < 64 ? name.len : 64), name.ptr, SECRET_NAME_MAX);
    }
    return 0;
}

static bool is_utf8_tail(struct span s, size_t i, size_t n)
{
    for (size_t k = 1; k <= n; k++) {
        if (i + k >= s.len || ((unsigned char)s.ptr[i + k] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Length of the code point at i, 0 when it is none (overlong, surrogate or cut). */
static size_t utf8_length(struct span s, size_t i)
{
    unsigned char c = (unsigned char)s.ptr[i];
    unsigned char d = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : 0;
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;
    if (n == 4 && (c < 0xf0 || c > 0xf4 || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d >= 0x90))) {
        return 0;
    }
    if (n == 3 && ((c == 0xe0 && d < 0xa0) || (c == 0xed && d >= 0xa0))) {
        return 0;
    }
    return is_utf8_tail(s, i, n - 1) ? n : 0;
}

int secret_check_value(struct span value, struct error *err)
{
    if (value.len > SECRET_VALUE_MAX) {
        return error_set(err, 0, "the value is longer than %u bytes", SECRET_VALUE_MAX);
    }
    for (size_t i = 0; i < value.len;) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return error_set(err, 0,
                             "the value holds a control byte: encode it, as base64 for one");
        }
        size_t n = utf8_length(value, i);
        if (n == 0) {
            return error_set(err, 0, "the value is not UTF-8 text: encode it, as base64 for one");
        }
        i += n;
    }
    return 0;
}

static char *copy(struct span s)
{
    return strndup(s.len > 0 ? s.ptr : "", s.len);
}

static void wipe(char *s)
{
    if (s != NULL) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

static int add(struct secrets *list, struct span name, char *value, struct error *err)
{
    if (list->count >= SECRETS_MAX) {
        return error_set(err, 0, "more than %u secrets", SECRETS_MAX);
    }
    struct spec_secret *items = reallocarray(list->items, list->count + 1, sizeof *items);
    char *owned = copy(name);
    if (items != NULL) {
        list->items = items;
    }
    if (items == NULL || owned == NULL) {
        free(owned);
        return error_set(err, ENOMEM, "secret");
    }
    items[list->count++] = (struct spec_secret){.name = owned, .value = value};
    return 0;
}

int secrets_put(struct secrets *list, struct span name, struct span value, struct error *err)
{
    int rc = secret_check_name(name, err);
    if (rc == 0 && (rc = secret_check_value(value, err)) < 0) {
        error_prefix(err, "secret %.*s", (int)name.len, name.ptr);
    }
    char *text = rc == 0 ? copy(value) : NULL;
    if (text == NULL) {
        return rc < 0 ? rc : error_set(err, ENOMEM, "secret");
    }
    for (size_t i = 0; i < list->count; i++) {
        if (span_eq(span_str(list->items[i].name), name)) {
            wipe(list->items[i].value);
            list->items[i].value = text;
            return 0;
        }
    }
    rc = add(list, name, text, err);
    if (rc < 0) {
        wipe(text);
    }
    return rc;
}

const struct spec_secret *secrets_find(const struct secrets *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

void secrets_free(struct secrets *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        wipe(list->items[i].value);
    }
    free(list->items);
    *list = (struct secrets){NULL, 0};
}
