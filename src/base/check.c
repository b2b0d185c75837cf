/* check.c: the end of a program whose own invariants do not hold, or whose memory is out; allocation.
 *
 * Standard error is written with write(2) on a buffer on the stack, so that a report appears even when the
 * heap is what broke.
 */
#include "base/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLOATS_ALIGN 64
#define PAGE_LARGE   ((size_t)1 << 21) /* of x86-64 and, mostly, of AArch64 */

void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "\n%s:%d: broken invariant: %s: ", file, line, cond);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof text) {
        va_list ap;
        va_start(ap, fmt);
        int more = vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
        va_end(ap);
        if (more > 0) n += more;
    }
    if ((size_t)n > sizeof text - 2) n = (int)sizeof text - 2;
    text[n] = '\n';
    ssize_t done = write(STDERR_FILENO, text, (size_t)n + 1);
    (void)done;
    abort();
}

/* Bytes of this process that are in memory now; 0 where /proc does not say. */
size_t machine_resident(void)
{
    char text[128];
    char *second;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    strtoull(text, &second, 10); /* all of it, then what is resident, in pages */
    return (size_t)strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

size_t machine_memory(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

void memory_is_out(size_t bytes_wanted)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "\nopenr1: out of memory: %zu bytes more were wanted; this process holds %zu MB, the "
                     "machine has %zu MB.\nWhat helps: close other programs, a higher limit (ulimit -v, "
                     "control group), smaller batches or shorter sequences. What was saved is whole.\n",
                     bytes_wanted, machine_resident() >> 20, machine_memory() >> 20);
    ssize_t done = write(STDERR_FILENO, text, n > 0 ? (size_t)n : 0);
    (void)done;
    abort();
}

void *alloc_or_die(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p) memory_is_out(bytes);
    return p;
}

void *alloc_zero(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) memory_is_out(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    return p;
}

void *alloc_again(void *p, size_t bytes)
{
    void *q = alloc_try_again(p, bytes);
    if (!q) memory_is_out(bytes);
    return q;
}

char *alloc_str(const char *s)
{
    return alloc_strn(s, strlen(s));
}

char *alloc_strn(const char *s, size_t n)
{
    CHECK(n < SIZE_MAX, "string of %zu bytes", n);
    char *p = alloc_or_die(n + 1);
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

void *alloc_try(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *alloc_try_again(void *p, size_t bytes)
{
    return realloc(p, bytes ? bytes : 1);
}

void *alloc_large_try(size_t bytes)
{
    size_t align = bytes < 2 * PAGE_LARGE ? FLOATS_ALIGN : PAGE_LARGE;
    if (bytes > SIZE_MAX - align) return NULL;
    bytes = bytes ? (bytes + FLOATS_ALIGN - 1) / FLOATS_ALIGN * FLOATS_ALIGN : FLOATS_ALIGN;
    void *p = aligned_alloc(align, (bytes + align - 1) / align * align);
#ifdef MADV_HUGEPAGE
    if (p && align == PAGE_LARGE) madvise(p, bytes / align * align, MADV_HUGEPAGE); /* advice: it may fail */
#endif
    return p;
}

void *alloc_large(size_t bytes)
{
    void *p = alloc_large_try(bytes);
    if (!p) memory_is_out(bytes);
    return p;
}

void *alloc_floats_try(size_t count)
{
    CHECK(count <= (SIZE_MAX - PAGE_LARGE) / sizeof(float), "%zu floats", count);
    size_t bytes = count * sizeof(float);
    void *p = alloc_large_try(bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

void *alloc_floats(size_t count)
{
    void *p = alloc_floats_try(count);
    if (!p) memory_is_out(count * sizeof(float));
    return p;
}
