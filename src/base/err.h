/* err.h: what the outside world did wrong, told so that the user can mend it.
 *
 * A function that can fail because of input, files or the system returns 0 or -1 (or NULL) and fills the
 * caller's struct err. The message says what file, line or field; what was found; what was expected; what to
 * do. Callers higher up may put context in front with err_wrap. e may be NULL: then nothing is written.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err_kind {
    ERR_NONE = 0,
    ERR_FAILED,   /* exit status 1 */
    ERR_USAGE,    /* exit status 2: a wrong option or configuration */
    ERR_MISMATCH, /* exit status 3: hashes or replay differ */
    ERR_GATE,     /* exit status 4: a quality gate refused */
    ERR_STOPPED   /* a signal asked us to stop; the state is safe on disk */
};

struct err {
    enum err_kind kind;
    char msg[2048];
};

/* Fill e and return -1, so that a caller can write `return err_set(e, ...)`. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_usage(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_kind_set(struct err *e, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, followed by ": ", the text of the current errno and what helps against it. */
int err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put formatted context and ": " in front of the message that e already holds; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The entry of names[0..n) that is nearest to `word` by edit distance, or NULL if none is near enough to be
 * what was meant. For "unknown key X: did you mean Y?". */
const char *err_nearest(const char *word, const char *const *names, size_t n);

/* A usage error, -1: no `kind` ("reward", "task") is called `word`; the message tells the nearest of
 * names[0..n), and all of them. */
int err_unknown(struct err *e, const char *kind, const char *word, const char *const *names, size_t n);

#endif
