/*
 * secretmem: a few bytes that neither other processes nor the kernel's own view of memory show.
 *
 * memfd_secret where the kernel has it, else a memfd that cannot grow or shrink and is locked and
 * left out of dumps while it is mapped. Readable only by mapping it.
 */
#ifndef SALLYPORT_ISOLATE_SECRETMEM_H
#define SALLYPORT_ISOLATE_SECRETMEM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A descriptor (given, CLOEXEC) of `bytes` zero bytes; *secret (may be NULL): memfd_secret. */
int isolate_secretmem_create(size_t bytes, bool *secret, struct error *err);

/* Maps it shared, readable and writable. NULL with err set on failure, also when it is smaller
 * than bytes. */
void *isolate_secretmem_map(int fd, size_t bytes, struct error *err);

/* Unmaps; the bytes stay in the descriptor. */
void isolate_secretmem_unmap(void *ptr, size_t bytes);

#endif
