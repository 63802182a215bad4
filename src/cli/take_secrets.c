#include "cli/take_secrets.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/grammar.h"

#include <errno.h>

/* One byte more than a value may have, and a line end. */
#define READ_MAX (SECRET_VALUE_MAX + 3)

/* The line end that editors and echo add is not part of a secret. */
static struct span without_line_end(struct span s)
{
    s.len -= s.len > 0 && s.ptr[s.len - 1] == '\n' ? 1 : 0;
    s.len -= s.len > 0 && s.ptr[s.len - 1] == '\r' ? 1 : 0;
    return s;
}

static int read_fd(int fd, struct buf *out, struct error *err)
{
    char *to = buf_reserve(out, READ_MAX);
    if (fd <= 2 || to == NULL) {
        return error_set(err, 0, "descriptor %d: expected one above 2", fd);
    }
    ssize_t n = 1;
    while (n > 0 && buf_len(out) < READ_MAX) {
        n = read(fd, to + buf_len(out), READ_MAX - buf_len(out));
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n < 0) {
            return error_set(err, errno, "descriptor %d", fd);
        }
        buf_commit(out, (size_t)n);
    }
    close(fd);
    return 0;
}

static int take_bytes(const struct grammar_secret *in, struct buf *out, struct spec_strings *files,
                      struct error *err)
{
    if (in->kind == SECRET_FD) {
        return read_fd(in->fd, out, err);
    }
    cleanup_free char *real = realpath(in->from, NULL);
    if (real == NULL) {
        return error_set(err, errno, "file %s", in->from);
    }
    if (!spec_strings_add(files, real)) {
        return error_set(err, ENOMEM, "file %s", in->from);
    }
    return config_read_file(real, READ_MAX, out, err);
}

static int take_env(const struct grammar_secret *in, struct secrets *list, struct error *err)
{
    char name[SECRET_NAME_MAX + 1];
    memcpy(name, in->name.ptr, in->name.len);
    name[in->name.len] = '\0';
    const char *var = in->from != NULL ? in->from : name;
    const char *value = getenv(var);
    if (value == NULL || value[0] == '\0') {
        return error_set(err, 0,
                         "the variable %.128s is not set or empty: export it, or use "
                         "=file:PATH",
                         var);
    }
    return secrets_put(list, in->name, span_str(value), err);
}

static int take_one(const struct grammar_secret *in, struct secrets *list,
                    struct spec_strings *files, struct error *err)
{
    if (in->kind == SECRET_ENV) {
        return take_env(in, list, err);
    }
    struct buf bytes;
    buf_init(&bytes, READ_MAX);
    int rc = take_bytes(in, &bytes, files, err);
    struct span value = without_line_end(buf_span(&bytes));
    if (rc == 0 && value.len == 0) {
        rc = error_set(err, 0, "the value is empty");
    }
    rc = rc < 0 ? rc : secrets_put(list, in->name, value, err);
    buf_wipe(&bytes);
    return rc;
}

/* Nobody whom we start may find it there. */
static void forget_env(const struct spec_strings *words)
{
    for (size_t i = 0; i < words->count; i++) {
        struct grammar_secret in;
        if (grammar_secret(words->items[i], &in, NULL) < 0 || in.kind != SECRET_ENV) {
            continue;
        }
        cleanup_free char *name = strndup(in.name.ptr, in.name.len);
        const char *var = in.from != NULL ? in.from : name;
        char *value = var != NULL ? getenv(var) : NULL;
        if (value != NULL) {
            explicit_bzero(value, strlen(value));
            unsetenv(var);
        }
    }
}

int take_secrets(const struct spec_strings *words, struct secrets *list, struct spec_strings *names,
                 struct spec_strings *files, struct error *err)
{
    for (size_t i = 0; i < words->count; i++) {
        struct grammar_secret in;
        int rc = grammar_secret(words->items[i], &in, err);
        if (rc < 0) {
            return rc;
        }
        rc = take_one(&in, list, files, err);
        if (rc < 0) {
            return strncmp(err->text, "secret ", 7) == 0
                       ? rc
                       : error_prefix(err, "--secret %.*s", (int)in.name.len, in.name.ptr);
        }
        cleanup_free char *name = strndup(in.name.ptr, in.name.len);
        if (name == NULL || !spec_strings_add(names, name)) {
            return error_set(err, ENOMEM, "--secret");
        }
    }
    forget_env(words);
    return 0;
}
