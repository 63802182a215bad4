/*
 * inside: the files of ETC_INSTANCE_DIR, small and one set per instance.
 */
#include "launcher/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/write.h"
#include "isolate/netns.h"
#include "launcher/ca_link.h"
#include "launcher/siblings.h"
#include "tls/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_MAX (256u * 1024u) /* of passwd and group */

static int write_in(struct view *v, const char *name, struct span bytes, struct error *err)
{
    cleanup_close int fd = openat(v->in_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0) {
        return error_set(err, errno, "write %s for the sandbox", name);
    }
    int rc = write_all(fd, bytes);
    return rc < 0 ? error_set(err, -rc, "write %s for the sandbox", name) : 0;
}

/* Reads a file to the end; -ENOENT and nothing when it is not there. */
static int read_file(const char *path, struct buf *out)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    for (;;) {
        char *at = buf_reserve(out, 64 * 1024);
        ssize_t n = at != NULL ? read(fd, at, 64 * 1024) : -1;
        if (n < 0) {
            return at != NULL ? -errno : -EFBIG;
        }
        if (n == 0) {
            return 0;
        }
        buf_commit(out, (size_t)n);
    }
}

/* Whether a line of passwd or group has the number in its third field. */
static bool lists_id(struct span text, unsigned id)
{
    char want[16];
    int len = snprintf(want, sizeof(want), "%u", id);
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t line = end != NULL ? (size_t)(end - text.ptr) : text.len;
        const char *field = text.ptr;
        for (int i = 0; i < 2 && field != NULL; i++) {
            field = memchr(field, ':', (size_t)(text.ptr + line - field));
            field = field != NULL ? field + 1 : NULL;
        }
        if (field != NULL && text.ptr + line - field > len && field[len] == ':' &&
            memcmp(field, want, (size_t)len) == 0) {
            return true;
        }
        text = span_from(text, line + 1);
    }
    return false;
}

/* The host's list, and a line for the sandbox's user when it has none: tools look themselves up. */
static int write_list(struct view *v, const char *name, unsigned id, const char *line,
                      struct error *err)
{
    char path[32];
    struct buf text;
    snprintf(path, sizeof(path), "/etc/%s", name);
    buf_init(&text, LIST_MAX);
    (void)read_file(path, &text);
    int rc = 0;
    if (!lists_id(buf_span(&text), id) && !buf_append_str(&text, line)) {
        rc = error_set(err, EFBIG, "%s for the sandbox", path);
    }
    if (rc == 0) {
        rc = write_in(v, name, buf_span(&text), err);
    }
    buf_free(&text);
    return rc;
}

static int copy_agent(struct view *v, struct error *err)
{
    cleanup_free char *path = NULL;
    int rc = siblings_find("sallyport-agent", &path, err);
    if (rc < 0) {
        return rc;
    }
    cleanup_close int in = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_close int out =
        openat(v->in_fd, "agent", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
    struct stat st;
    if (in < 0 || out < 0 || fstat(in, &st) != 0) {
        return error_set(err, errno, "copy %s for the sandbox", path);
    }
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0) {
            return error_set(err, n < 0 ? errno : EIO, "copy %s for the sandbox", path);
        }
        left -= n;
    }
    return 0;
}

/* A host without a bundle gets one that holds the CA alone. */
static int read_bundle(struct view *v, struct error *err)
{
    buf_init(&v->system_pem, TLS_TRUST_MAX);
    buf_init(&v->system_der, TLS_TRUST_MAX);
    for (size_t i = 0; tls_trust_bundle_paths[i] != NULL && buf_len(&v->system_pem) == 0; i++) {
        (void)read_file(tls_trust_bundle_paths[i], &v->system_pem);
    }
    return tls_trust_certificates(buf_span(&v->system_pem), &v->system_der, &v->system_count, err);
}

int view_write_names(struct view *v, struct error *err)
{
    char text[512];
    char line[512];
    const char *host = v->spec->hostname;
    const struct user *u = &v->user;
    int len = snprintf(text, sizeof(text),
                       "127.0.0.1 localhost %s\n::1 localhost ip6-localhost ip6-loopback %s\n",
                       host, host);
    int rc = read_bundle(v, err);
    if (rc == 0) {
        rc = copy_agent(v, err);
    }
    if (rc == 0) {
        rc = write_in(v, "hosts", span_of(text, (size_t)len), err);
    }
    if (rc == 0) {
        rc = write_in(v, "resolv.conf", SPAN_LIT("nameserver " ISOLATE_NETNS_RESOLVER "\n"), err);
    }
    if (rc == 0) {
        len = snprintf(text, sizeof(text), "%s\n", host);
        rc = write_in(v, "hostname", span_of(text, (size_t)len), err);
    }
    if (rc == 0) {
        snprintf(line, sizeof(line), "%s:x:%u:%u::%s:/bin/sh\n", u->name, u->uid, u->gid, u->home);
        rc = write_list(v, "passwd", u->uid, line, err);
    }
    if (rc == 0) {
        snprintf(line, sizeof(line), "%s:x:%u:\n", u->name, u->gid);
        rc = write_list(v, "group", u->gid, line, err);
    }
    return rc;
}

/* A folder for SSL_CERT_DIR with the CA under its hash. Programs find it in the bundle too: a name
 * that cannot be made is no failure. */
static int link_ca(struct view *v, struct span ca_pem, struct error *err)
{
    struct buf der;
    size_t count;
    char link[sizeof("certs/") + CA_LINK_BYTES] = "certs/";
    buf_init(&der, TLS_TRUST_MAX);
    int rc = tls_trust_certificates(ca_pem, &der, &count, err);
    if (rc == 0 && mkdirat(v->in_fd, "certs", 0755) != 0) {
        rc = error_set(err, errno, "make a folder for the sandbox's CA");
    }
    if (rc == 0 && ca_link_name(buf_span(&der), link + strlen("certs/")) &&
        symlinkat("../ca.pem", v->in_fd, link) != 0) {
        rc = error_set(err, errno, "link the sandbox's CA");
    }
    buf_free(&der);
    return rc;
}

int view_write_trust(struct view *v, struct span ca_pem, struct error *err)
{
    struct buf made;
    buf_init(&made, TLS_TRUST_MAX);
    int rc = write_in(v, "ca.pem", ca_pem, err);
    if (rc == 0) {
        rc = link_ca(v, ca_pem, err);
    }
    if (rc == 0) {
        rc = tls_trust_bundle(buf_span(&v->system_pem), ca_pem, &made, err);
    }
    if (rc == 0) {
        rc = write_in(v, "bundle.pem", buf_span(&made), err);
    }
    buf_clear(&made);
    if (rc == 0) {
        rc = tls_trust_java_of(buf_span(&v->system_der), v->system_count, ca_pem, &made, err);
    }
    if (rc == 0) {
        rc = write_in(v, "java.p12", buf_span(&made), err);
    }
    buf_free(&made);
    return rc;
}
