#include "tls/mint.h"
#include "tls/trust.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct tls_mint *mint;
    struct buf ca_pem;
    struct buf system_pem;
    char dir[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint8_t scalar[TLS_SCALAR_BYTES] = {0};
    struct error err;
    f->mint = tls_mint_create(SPAN_LIT("t"), scalar, span_of("", 0), &err);
    assert_non_null(f->mint);
    buf_init(&f->ca_pem, TLS_TRUST_MAX);
    buf_init(&f->system_pem, TLS_TRUST_MAX);
    assert_int_equal(tls_trust_pem(tls_mint_cert(f->mint), &f->ca_pem, &err), 0);
    int fd = open(tls_trust_bundle_paths[0], O_RDONLY);
    for (ssize_t n = fd >= 0; n > 0;) {
        char *to = buf_reserve(&f->system_pem, 65536);
        n = read(fd, to, 65536);
        buf_commit(&f->system_pem, n > 0 ? (size_t)n : 0);
    }
    close(fd);
    snprintf(f->dir, sizeof f->dir, "/tmp/sallyport-trust-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rmdir(f->dir);
    tls_mint_destroy(f->mint);
    buf_free(&f->ca_pem);
    buf_free(&f->system_pem);
    free(f);
    return 0;
}

static void path_of(const struct fixture *f, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", f->dir, name);
}

static void write_file(const char *path, struct span bytes)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, out), bytes.len);
    fclose(out);
}

static size_t count_of(struct span text, const char *what)
{
    size_t count = 0;
    for (const char *at = text.ptr;
         (at = memmem(at, text.len - (size_t)(at - text.ptr), what, strlen(what))) != NULL; at++) {
        count++;
    }
    return count;
}

static void run(const char *command, struct buf *out)
{
    FILE *p = popen(command, "r");
    assert_non_null(p);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, p)) > 0;) {
        assert_true(buf_append(out, chunk, n));
    }
    pclose(p);
}

static void pem_is_what_openssl_reads(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char command[256];
    struct buf out;
    buf_init(&out, 65536);
    path_of(f, "ca.pem", path, sizeof path);
    write_file(path, buf_span(&f->ca_pem));
    snprintf(command, sizeof command, "openssl x509 -noout -subject -in %s", path);
    run(command, &out);
    assert_int_equal(count_of(buf_span(&out), "Sallyport CA t"), 1);
    buf_free(&out);
    unlink(path);
}

static void bundle_holds_both(void **state)
{
    struct fixture *f = *state;
    struct buf out;
    struct error err;
    buf_init(&out, TLS_TRUST_MAX);
    assert_int_equal(
        tls_trust_bundle(SPAN_LIT("no newline at the end"), buf_span(&f->ca_pem), &out, &err), 0);
    assert_int_equal(count_of(buf_span(&out), "end\n-----BEGIN CERT"), 1);
    buf_clear(&out);
    assert_int_equal(tls_trust_bundle(buf_span(&f->system_pem), buf_span(&f->ca_pem), &out, &err),
                     0);
    assert_int_equal(count_of(buf_span(&out), "-----BEGIN CERT"),
                     count_of(buf_span(&f->system_pem), "-----BEGIN CERT") + 1);
    buf_free(&out);
}

/* A JVM takes the store with the usual password, and takes each entry as trusted. */
static void java_reads_the_store(void **state)
{
    struct fixture *f = *state;
    char path[128];
    char command[512];
    struct buf store;
    struct buf out;
    struct error err;
    if (system("command -v keytool >/dev/null 2>&1") != 0) {
        print_message("no keytool here: default-jre-headless is missing\n");
        skip();
    }
    buf_init(&store, TLS_TRUST_MAX);
    buf_init(&out, TLS_TRUST_MAX);
    uint64_t before = clock_monotonic_us();
    assert_int_equal(tls_trust_java(buf_span(&f->system_pem), buf_span(&f->ca_pem), &store, &err),
                     0);
    print_message("Java store of %zu bytes in %lu us\n", buf_len(&store),
                  (unsigned long)(clock_monotonic_us() - before));
    path_of(f, "cacerts", path, sizeof path);
    write_file(path, buf_span(&store));
    snprintf(command, sizeof command,
             "keytool -J-Duser.language=en -list -keystore %s -storepass %s 2>&1", path,
             TLS_TRUST_JAVA_PASSWORD);
    run(command, &out);
    assert_int_equal(count_of(buf_span(&out), "trustedCertEntry"),
                     count_of(buf_span(&f->system_pem), "-----BEGIN CERT") + 1);
    assert_int_equal(count_of(buf_span(&out), "sallyport, "), 1);
    buf_free(&store);
    buf_free(&out);
    unlink(path);
}

static void broken_input_is_skipped_or_refused(void **state)
{
    struct fixture *f = *state;
    struct buf store;
    struct error err;
    buf_init(&store, TLS_TRUST_MAX);
    assert_int_equal(
        tls_trust_java(SPAN_LIT("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
                                "-----BEGIN CERTIFICATE-----\nMAA"),
                       buf_span(&f->ca_pem), &store, &err),
        0);
    assert_int_not_equal(tls_trust_java(SPAN_LIT(""), SPAN_LIT("nothing"), &store, &err), 0);
    assert_int_not_equal(tls_trust_pem(SPAN_LIT("\x30\x05\x01"), &store, &err), 0);
    assert_int_not_equal(tls_trust_pem(SPAN_LIT(""), &store, &err), 0);
    buf_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pem_is_what_openssl_reads),
        cmocka_unit_test(bundle_holds_both),
        cmocka_unit_test(java_reads_the_store),
        cmocka_unit_test(broken_input_is_skipped_or_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
