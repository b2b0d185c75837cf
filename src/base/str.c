/* str.c: growing strings; UTF-8 by the table of well-formed sequences (Unicode standard, table 3-7).
 *
 * utf8_clean replaces each maximal subpart of an ill-formed sequence by one U+FFFD: the longest prefix that
 * could still have become a valid character counts as one, any other byte by itself. This is what WHATWG and
 * Python's errors="replace" do.
 */
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define STR_MAX_DEFAULT ((size_t)1 << 30)
#define STR_CAP_FIRST   64

void str_init(struct str *s, size_t max)
{
    *s = (struct str){.max = max ? max : STR_MAX_DEFAULT, .cap = STR_CAP_FIRST};
    s->p = alloc_or_die(s->cap);
    s->p[0] = 0;
}

void str_release(struct str *s)
{
    free(s->p);
    *s = (struct str){0};
}

void str_clear(struct str *s)
{
    s->len = 0;
    s->p[0] = 0;
    s->full = false;
}

/* Make room for n more bytes and the NUL; returns how many of them may be added. */
static size_t str_room(struct str *s, size_t n)
{
    size_t left = s->max > s->len ? s->max - s->len : 0;
    if (n > left) n = left, s->full = true;
    size_t need = s->len + n + 1;
    if (need > s->cap) {
        size_t cap = s->cap;
        while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        s->p = alloc_again(s->p, cap);
        s->cap = cap;
    }
    return n;
}

void str_add(struct str *s, const char *bytes, size_t n)
{
    n = str_room(s, n);
    if (n) memcpy(s->p + s->len, bytes, n);
    s->len += n;
    s->p[s->len] = 0;
}

void str_puts(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(s, fmt, ap);
    va_end(ap);
}

void str_vaddf(struct str *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(s->p + s->len, s->cap - s->len, fmt, ap);
    CHECK(n >= 0, "bad format %s", fmt);
    size_t fits = str_room(s, (size_t)n);
    /* vsnprintf writes at most fits + 1 bytes, and str_room made room for just these. */
    vsnprintf(s->p + s->len, fits + 1, fmt, again);
    va_end(again);
    s->len += fits;
    s->p[s->len] = 0;
}

char *str_take(struct str *s)
{
    char *p = s->p;
    *s = (struct str){0};
    return p;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* Length of the character at p if well formed; else minus the length of its maximal subpart. n > 0. */
static int utf8_step(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    int want;
    unsigned char lo = 0x80, hi = 0xBF; /* range of the second byte */
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        want = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        want = 3;
        if (p[0] == 0xE0) lo = 0xA0;
        if (p[0] == 0xED) hi = 0x9F;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        want = 4;
        if (p[0] == 0xF0) lo = 0x90;
        if (p[0] == 0xF4) hi = 0x8F;
    } else {
        return -1;
    }
    for (int i = 1; i < want; i++) {
        if ((size_t)i >= n || p[i] < lo || p[i] > hi) return -i;
        lo = 0x80, hi = 0xBF;
    }
    return want;
}

int utf8_length(const char *p, size_t n)
{
    int step = n ? utf8_step((const unsigned char *)p, n) : 0;
    return step > 0 ? step : 0;
}

size_t utf8_count(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; count++) {
        int step = utf8_length(p + i, n - i);
        i += step ? (size_t)step : 1;
    }
    return count;
}

void utf8_clean(struct str *out, const char *p, size_t n)
{
    size_t clean = 0; /* start of the valid bytes not yet copied */
    for (size_t i = 0; i < n;) {
        int step = utf8_step((const unsigned char *)p + i, n - i);
        if (step > 0) {
            i += (size_t)step;
            continue;
        }
        str_add(out, p + clean, i - clean);
        str_puts(out, "\xEF\xBF\xBD");
        i += (size_t)-step;
        clean = i;
    }
    str_add(out, p + clean, n - clean);
}
