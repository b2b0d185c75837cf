/* json.h: Jansson with messages that name file, line and field; JSON-lines files.
 *
 * json_t is Jansson's own; borrowed references are marked as such. Depth is limited by Jansson (2048) and
 * file sizes by JSON_FILE_MAX.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

#define JSON_FILE_MAX ((size_t)1 << 30)

/* Called once, before any value is made: a value for which there is no memory then aborts (check.h). Left to
 * itself Jansson hands on NULL, and a record loses a field without a word. A text whose values would not fit
 * is refused before it is read. */
void json_memory_start(void);

/* New references; NULL and e on failure. `what` names the source in messages. Duplicate keys are refused. */
json_t *json_read_file(const char *path, struct err *e);
json_t *json_read_bytes(const char *bytes, size_t n, const char *what, struct err *e);

/* What a value is, in words: "a list", "an integer". NULL: "missing". */
const char *json_kind(const json_t *v);

/* Fields of an object with type checks. `what` names the object in messages, e.g. the file's path.
 * The _or forms give a default when the key is absent or null, and still fail on a wrong type. Borrowed
 * strings. */
int json_get_int(const json_t *o, const char *key, const char *what, long *out, struct err *e);
int json_get_int_or(const json_t *o, const char *key, long fallback, long *out, struct err *e);
int json_get_real_or(const json_t *o, const char *key, double fallback, double *out, struct err *e);
int json_get_bool_or(const json_t *o, const char *key, bool fallback, bool *out, struct err *e);
int json_get_str(const json_t *o, const char *key, const char *what, const char **out, struct err *e);
int json_get_str_or(const json_t *o, const char *key, const char *fallback, const char **out, struct err *e);
/* The text of a string as C has it: NUL characters in it, which would end it, become blanks (in v itself). */
const char *json_str_flat(json_t *v);
const char *json_str_or(const json_t *o, const char *key, const char *fallback);

/* Compact text: keys in insertion order, reals with 17 significant digits, UTF-8 as it is. Caller frees. */
char *json_text(const json_t *v);
/* The same over several lines, with indent 2. */
char *json_lines(const json_t *v);
/* That and a final newline, written atomically. */
int json_write_file(const json_t *v, const char *path, struct err *e);

/* One record a line. Blank lines are skipped; a line that is not JSON is an error that names path:line. */
struct jsonl {
    FILE *f;
    char *path;
    char *buf;
    size_t cap, n; /* the line read last is buf[0..n) */
    long line;
    bool next; /* the line read last is no JSON, but those behind it can be read */
};
int jsonl_open(struct jsonl *r, const char *path, struct err *e); /* "-" is standard input */
/* 1: *out is a new reference; 0: end of file; -1: error (see `next`). */
int jsonl_next(struct jsonl *r, json_t **out, struct err *e);
void jsonl_close(struct jsonl *r);

#endif
