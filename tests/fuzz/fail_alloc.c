/* fail_alloc.c: with src/cmd/main.c it makes openr1_fail_alloc, a program in which an allocation fails.
 *
 *   FAIL_ALLOC=N          the N-th allocation after the start of main gives NULL
 *   FAIL_ALLOC=N+         and so does every later one
 *   FAIL_ALLOC_COUNT=F    write the number of allocations to the file F at the end
 *
 * It stands in for the C library's functions, so the libraries that the program uses are refused too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static atomic_long n_done;
static long doomed;
static bool and_later, counting;

/* The constructors of the executable itself come after those of the libraries, and just before main. */
__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAIL_ALLOC");
    doomed = text ? strtol(text, NULL, 10) : 0;
    and_later = text && strchr(text, '+');
    counting = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAIL_ALLOC_COUNT");
    char text[32];
    counting = false;
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd < 0) return;
    int n = snprintf(text, sizeof text, "%ld\n", atomic_load(&n_done));
    if (write(fd, text, (size_t)n) != n) abort();
    close(fd);
}

static bool refused(void)
{
    if (!counting) return false;
    long n = atomic_fetch_add(&n_done, 1) + 1;
    if (!doomed || (n != doomed && !(and_later && n > doomed))) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t size)
{
    return refused() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t n)
{
    return refused() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return refused() ? NULL : __libc_memalign(align, n);
}
