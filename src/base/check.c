/* check.c: the end of a program whose own invariants do not hold, and allocation that cannot be refused.
 *
 * Standard error is written with write(2) on a buffer on the stack, so that a report appears even when the
 * heap is what broke.
 */
#include "base/check.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLOATS_ALIGN 64

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

void *alloc_or_die(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    CHECK(p, "out of memory: %zu bytes", bytes);
    return p;
}

void *alloc_zero(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    CHECK(p, "out of memory: %zu items of %zu bytes", count, size);
    return p;
}

void *alloc_again(void *p, size_t bytes)
{
    void *q = realloc(p, bytes ? bytes : 1);
    CHECK(q, "out of memory: %zu bytes", bytes);
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

void *alloc_try(size_t bytes, size_t max)
{
    if (bytes > max) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *alloc_floats(size_t count)
{
    CHECK(count <= (SIZE_MAX - FLOATS_ALIGN) / sizeof(float), "%zu floats", count);
    size_t bytes = (count * sizeof(float) + FLOATS_ALIGN - 1) / FLOATS_ALIGN * FLOATS_ALIGN;
    if (!bytes) bytes = FLOATS_ALIGN;
    void *p = aligned_alloc(FLOATS_ALIGN, bytes);
    CHECK(p, "out of memory: %zu floats", count);
    memset(p, 0, bytes);
    return p;
}
