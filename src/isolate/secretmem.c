#include "isolate/secretmem.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int open_sealed(size_t bytes, struct error *err)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    cleanup_close int fd = memfd_create("secret", flags | MFD_NOEXEC_SEAL);
    if (fd < 0) {
        fd = memfd_create("secret", flags); /* before Linux 6.3 */
    }
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return error_set(err, errno, "make %zu bytes of secret memory", bytes);
    }
    return steal_fd(&fd);
}

int isolate_secretmem_create(size_t bytes, bool *secret, struct error *err)
{
    cleanup_close int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (secret != NULL) {
        *secret = fd >= 0;
    }
    if (fd < 0) {
        return open_sealed(bytes, err);
    }
    if (ftruncate(fd, (off_t)bytes) != 0) {
        return error_set(err, errno, "make %zu bytes of secret memory", bytes);
    }
    return steal_fd(&fd);
}

void *isolate_secretmem_map(int fd, size_t bytes, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < (off_t)bytes) {
        error_set(err, EINVAL, "map secret memory: not %zu bytes", bytes);
        return NULL;
    }
    void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ptr == MAP_FAILED) {
        error_set(err, errno, "map secret memory: raise the limit of locked memory (ulimit -l)");
        return NULL;
    }
    /* memfd_secret is both already, and refuses the second. */
    (void)madvise(ptr, bytes, MADV_DONTDUMP);
    (void)mlock(ptr, bytes);
    return ptr;
}

void isolate_secretmem_unmap(void *ptr, size_t bytes)
{
    munmap(ptr, bytes);
}
