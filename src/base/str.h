/* str.h: a growing byte string with a stated maximum, always NUL-terminated. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
    char *p; /* never NULL after str_init; p[len] == 0 */
    size_t len, cap, max;
    bool full; /* something was cut off because max was reached */
};

void str_init(struct str *s, size_t max); /* max 0: 1 GiB */
void str_release(struct str *s);
void str_clear(struct str *s);
void str_add(struct str *s, const char *bytes, size_t n);
void str_puts(struct str *s, const char *text);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *fmt, va_list ap);
/* Hand the bytes to the caller (free() them). s is as after str_release. */
char *str_take(struct str *s);

/* Small helpers on plain strings. */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Number of bytes of the UTF-8 character at p (1..4), or 0 if the bytes p[0..n) do not start a valid one. */
int utf8_length(const char *p, size_t n);
/* Number of code points; invalid bytes count one each. */
size_t utf8_count(const char *p, size_t n);
/* Replace every invalid byte sequence by U+FFFD as Python's errors="replace" does; result in out. */
void utf8_clean(struct str *out, const char *p, size_t n);

#endif
