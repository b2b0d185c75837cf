/* check.h: broken invariants abort with the values that broke them.
 *
 * CHECK is for what must hold if this program is right: shapes, indices, states. It is always compiled in.
 * What the outside world can cause (a bad file, a full disk, a wrong option) is never a CHECK: see err.h.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdlib.h>

#define CHECK(cond, ...)                                                                                     \
    do {                                                                                                     \
        if (!(cond)) check_failed(__FILE__, __LINE__, #cond, __VA_ARGS__);                                   \
    } while (0)

/* Print file, line, the condition and the formatted values to standard error, then abort. */
_Noreturn void check_failed(const char *file, int line, const char *cond, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

size_t machine_memory(void);   /* bytes of this machine */
size_t machine_resident(void); /* of it, what this process holds now; 0: the system does not say */

/* Memory is out: say what was wanted and what this process holds, then abort. */
_Noreturn void memory_is_out(size_t bytes_wanted);

/* malloc, calloc, realloc, strdup that end in memory_is_out. For what this program makes of its input piece
 * by piece, and for buffers that were planned. A buffer as large as some file or field says goes through the
 * _try forms, which give NULL, and becomes an error that names the file: contents of files, lines, weights,
 * caches, large JSON texts. */
void *alloc_or_die(size_t bytes);
void *alloc_zero(size_t count, size_t size);
void *alloc_again(void *p, size_t bytes);
char *alloc_str(const char *s);
char *alloc_strn(const char *s, size_t n);
void *alloc_try(size_t bytes);
void *alloc_try_again(void *p, size_t bytes); /* NULL: p is still there */

/* Unset memory, 64-byte aligned and in large pages where it is large and the system has them: what is read
 * through again and again. Release with free(). */
void *alloc_large(size_t bytes);
void *alloc_large_try(size_t bytes);
/* Large numeric buffers: the same, zeroed. */
void *alloc_floats(size_t count);
void *alloc_floats_try(size_t count);

#endif
