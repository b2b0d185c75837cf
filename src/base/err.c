/* err.c: messages about outside causes, and the nearest known name to a misspelt one.
 *
 * The distance is Levenshtein's with adjacent transposition (optimal string alignment), over lower-cased
 * bytes with '-' equal to '_', by rows. A name is near enough when it differs by at most a third of its
 * length, rounded up, and by no more than four edits; or when the word is the first of its words.
 * Of names equally near the shortest is meant.
 */
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

static void message_set(struct err *e, enum err_kind kind, const char *fmt, va_list ap)
{
    if (!e) return;
    e->kind = kind;
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
}

int err_set(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message_set(e, ERR_FAILED, fmt, ap);
    va_end(ap);
    return -1;
}

int err_usage(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message_set(e, ERR_USAGE, fmt, ap);
    va_end(ap);
    return -1;
}

int err_kind_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message_set(e, kind, fmt, ap);
    va_end(ap);
    return -1;
}

/* What helps against a failure of the system, where strerror leaves the reader to find out. */
static const char *advice(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return " (make room there, or write elsewhere, then run the same command again)";
    case EFBIG: return " (a limit on the size of files stands in the way: see ulimit -f)";
    case EROFS: return " (the file system is read-only: write elsewhere)";
    case EACCES:
    case EPERM: return " (look at its owner and permissions: ls -ld)";
    case ENOTDIR: return " (a file stands where a folder is needed)";
    case EMFILE: return " (the limit of open files is reached: see ulimit -n)";
    default: return "";
    }
}

int err_errno(struct err *e, const char *fmt, ...)
{
    int number = errno;
    if (!e) return -1;
    va_list ap;
    va_start(ap, fmt);
    message_set(e, ERR_FAILED, fmt, ap);
    va_end(ap);
    size_t n = strlen(e->msg);
    snprintf(e->msg + n, sizeof e->msg - n, ": %s%s", strerror(number), advice(number));
    errno = number;
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (!e) return -1;
    char front[sizeof e->msg];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(front, sizeof front - 2, fmt, ap);
    va_end(ap);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len > sizeof front - 3) len = sizeof front - 3;
    memcpy(front + len, ": ", 3);
    len += 2;
    /* Where both do not fit, the end of the old message is what goes. */
    size_t old = strlen(e->msg), room = sizeof e->msg - 1 - len;
    if (old > room) old = room;
    memmove(e->msg + len, e->msg, old);
    memcpy(e->msg, front, len);
    e->msg[len + old] = 0;
    if (e->kind == ERR_NONE) e->kind = ERR_FAILED;
    return -1;
}

static int folded(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    int rows[3][WORD_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= nb; j++) last[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int ca = folded(a[i - 1]), cb = folded(b[j - 1]);
            int d = last[j - 1] + (ca != cb);
            d = least(d, least(last[j] + 1, now[j - 1] + 1));
            if (i > 1 && j > 1 && ca == folded(b[j - 2]) && folded(a[i - 2]) == cb)
                d = least(d, before[j - 2] + 1);
            now[j] = d;
        }
        int *spare = before;
        before = last, last = now, now = spare;
    }
    return last[nb];
}

/* Is the word the first of several in the name: "dataset" in "dataset_name"? */
static bool begins(const char *word, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (folded(word[i]) != folded(name[i])) return false;
    return name[len] == '_' || name[len] == ' ';
}

const char *err_nearest(const char *word, const char *const *names, size_t n)
{
    size_t len = strlen(word);
    if (!len || len > WORD_MAX) return NULL;
    const char *best = NULL;
    int best_distance = 5;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        if (!m || m > WORD_MAX) continue;
        int d = begins(word, len, names[i]) ? 1 : edit_distance(word, len, names[i], m);
        bool nearer = d < best_distance || (d == best_distance && best && m < strlen(best));
        if (nearer && d <= (int)(m + 2) / 3) best = names[i], best_distance = d;
    }
    return best;
}

int err_unknown(struct err *e, const char *kind, const char *word, const char *const *names, size_t n)
{
    const char *near = err_nearest(word, names, n);
    char all[1536] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    return err_usage(e, "no %s is called \"%.100s\"%s%s%s: %s", kind, word, near ? "; did you mean \"" : "",
                     near ? near : "", near ? "\"? There are" : "; there are", all);
}
