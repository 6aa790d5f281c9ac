// Counts what a thread asks of the system, by taking the place of the C library's own functions in a test program.
//
// Calls and bytes are counted and not time: the same work gives the same number, on every computer and beside any load.

#define _GNU_SOURCE
#include "work_counter.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define MUSTER_SANITIZED 1
#endif
#endif

#if defined(__linux__) && defined(__GLIBC__) && !defined(MUSTER_SANITIZED)

#include <sys/syscall.h>
#include <unistd.h>

static __thread muster_work work;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    work.bytes += (long)size;
    work.allocations += 1;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    work.bytes += (long)(count * size);
    work.allocations += 1;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    work.bytes += (long)size;
    work.allocations += 1;
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    work.bytes += (long)size;
    work.allocations += 1;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    work.bytes += (long)size;
    work.allocations += 1;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}

int fsync(int file) {
    work.syncs += 1;
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    work.syncs += 1;
    return (int)syscall(SYS_fdatasync, file);
}

muster_work muster_work_of_this_thread(void) { return work; }

#else

muster_work muster_work_of_this_thread(void) { return (muster_work){-1, -1, -1}; }

#endif
