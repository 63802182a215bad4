/*
 * Preloaded into a sidecar: one allocation fails, once. FAIL_AT counts from the start of the
 * process to the making of its filter, FAIL_AFTER from there on. libseccomp itself is left out: it
 * makes another filter when memory is out, which fails closed but is not ours to mend.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

static unsigned long made;
static unsigned long fail_at;

static unsigned long number(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    fail_at = number("FAIL_AT");
}

void *seccomp_init(unsigned action);
void *seccomp_init(unsigned action)
{
    void *(*real)(unsigned);
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_init");
    fail_at = 0;
    return real(action);
}

void seccomp_release(void *ctx);
void seccomp_release(void *ctx)
{
    void (*real)(void *);
    *(void **)&real = dlsym(RTLD_NEXT, "seccomp_release");
    real(ctx);
    made = 0;
    fail_at = number("FAIL_AFTER");
}

static int fails(void)
{
    made++;
    if (fail_at != 0 && made == fail_at) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    return fails() ? NULL : __libc_realloc(ptr, size);
}
