/* json.c: Jansson with the messages and limits of this house.
 *
 * Integers are accepted where a real is wanted, and a real with no fraction where an integer is wanted (many
 * writers print 1.0). Bytes that are not UTF-8 and \u0000 in strings are Jansson's to refuse or keep:
 * JSON_ALLOW_NUL is on, because model output may hold it. A lone surrogate, \ud800, which Python writes for
 * half a character and Jansson refuses, is read as U+FFFD, with a warning.
 */
#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"

#define WARNINGS_MAX 3 /* of lone surrogates */
#define READ_FLAGS  (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define WRITE_FLAGS (JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))
#define TEXT_SMALL  ((size_t)1 << 20)
#define VALUE_BYTES ((size_t)128)

/* What stands for v: itself, or an integer if it is a whole number that an integer holds exactly. */
static json_t *whole(json_t *v)
{
    double x = json_real_value(v);
    bool integer =
        json_is_real(v) && x >= -9007199254740992.0 && x <= 9007199254740992.0 && x == (double)(long)x;
    return integer ? json_integer((json_int_t)x) : json_incref(v);
}

/* Jansson's depth limit bounds the recursion. */
static void wholes_to_integers(json_t *v) // NOLINT(misc-no-recursion)
{
    const char *key;
    json_t *member;
    void *next;
    json_object_foreach_safe(v, next, key, member)
    {
        wholes_to_integers(member);
        json_object_set_new(v, key, whole(member));
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        wholes_to_integers(json_array_get(v, i));
        json_array_set_new(v, i, whole(json_array_get(v, i)));
    }
}

void json_memory_start(void)
{
    json_set_alloc_funcs(alloc_or_die, free);
}

/* Is there memory for what a text becomes? Each value, key and place in a container costs Jansson some
 * hundred bytes, and there are no more of them than separators. */
static int check_memory(const char *bytes, size_t n, const char *what, struct err *e)
{
    if (n < TEXT_SMALL) return 0;
    size_t separators = 1;
    for (size_t i = 0; i < n; i++) separators += strchr(",:[{", bytes[i]) != NULL;
    size_t need = n + separators * VALUE_BYTES;
    void *p = need > machine_memory() ? NULL : alloc_try(need);
    free(p);
    if (p) return 0;
    return err_set(e, "%s: no memory for the values in its %zu bytes: about %zu MB would be needed", what, n,
                   need >> 20);
}

/* The code unit of an escape \uXXXX at p[0..n); -1: there is none. */
static long escape_at(const char *p, size_t n)
{
    char digits[5] = "", *end;
    if (n < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    memcpy(digits, p + 2, 4);
    long unit = strtol(digits, &end, 16);
    return end == digits + 4 && isxdigit((unsigned char)digits[0]) ? unit : -1;
}

/* A copy in which each lone surrogate is U+FFFD, with their number; NULL when there is none. */
static char *surrogates_mended(const char *bytes, size_t n, long *count)
{
    char *copy = NULL;
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\\') continue;
        long unit = escape_at(bytes + i, n - i);
        long next = unit >= 0xD800 && unit < 0xDC00 ? escape_at(bytes + i + 6, n - i - 6) : -1;
        if (unit < 0xD800 || unit > 0xDFFF) {
            i++;
        } else if (next >= 0xDC00 && next <= 0xDFFF) {
            i += 11;
        } else {
            if (!copy) copy = memcpy(alloc_or_die(n), bytes, n);
            memcpy(copy + i + 2, "fffd", 4); // NOLINT(bugprone-not-null-terminated-result): it is no end
            ++*count;
            i += 5;
        }
    }
    return copy;
}

/* Jansson's reading, with the numbers that it cannot hold as reals. */
static json_t *read_text(const char *bytes, size_t n, json_error_t *je)
{
    json_t *v = json_loadb(bytes, n, READ_FLAGS, je);
    if (v || json_error_code(je) != json_error_numeric_overflow) return v;
    /* Hugging Face writes 1000000000000000019884624838656 for "no limit". */
    v = json_loadb(bytes, n, READ_FLAGS | JSON_DECODE_INT_AS_REAL, je);
    if (v) wholes_to_integers(v);
    return v;
}

/* The text once more without its lone surrogates; NULL when they are not what is wrong with it. */
static json_t *read_mended(const char *bytes, size_t n, const char *what, json_error_t *je)
{
    static atomic_int warnings;
    long count;
    char *mended = surrogates_mended(bytes, n, &count);
    json_t *v = mended ? read_text(mended, n, je) : NULL;
    free(mended);
    if (v && atomic_fetch_add(&warnings, 1) < WARNINGS_MAX)
        log_warn("%s: %ld lone surrogate%s (half a character each) read as U+FFFD", what, count,
                 count > 1 ? "s" : "");
    return v;
}

json_t *json_read_bytes(const char *bytes, size_t n, const char *what, struct err *e)
{
    json_error_t je;
    if (check_memory(bytes, n, what, e)) return NULL;
    json_t *v = read_text(bytes, n, &je);
    if (!v && strstr(je.text, "invalid Unicode")) v = read_mended(bytes, n, what, &je);
    if (v) return v;
    bool cut =
        json_error_code(&je) == json_error_premature_end_of_input || strstr(je.text, "near end of file");
    const char *hint = cut ? "; is it cut short?" : "";
    if (je.line > 1)
        err_set(e, "%s: line %d, column %d: %s%s", what, je.line, je.column, je.text, hint);
    else
        err_set(e, "%s: column %d: %s%s", what, je.column, je.text, hint);
    return NULL;
}

json_t *json_read_file(const char *path, struct err *e)
{
    char *bytes;
    size_t n;
    if (file_read(path, JSON_FILE_MAX, &bytes, &n, e)) return NULL;
    json_t *v = json_read_bytes(bytes, n, path, e);
    free(bytes);
    return v;
}

const char *json_str_flat(json_t *v)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (!s || !memchr(s, 0, n)) return s;
    char *flat = alloc_or_die(n + 1);
    for (size_t i = 0; i < n; i++) flat[i] = s[i] ? s[i] : ' ';
    json_string_setn(v, flat, n);
    free(flat);
    return json_string_value(v);
}

const char *json_kind(const json_t *v)
{
    static const char *const kinds[] = {"an object",     "a list", "a text", "an integer",
                                        "a real number", "true",   "false",  "null"};
    return v ? kinds[json_typeof(v)] : "missing";
}

static int wrong_type(const json_t *v, const char *key, const char *what, const char *wanted, struct err *e)
{
    return err_set(e, "%s: field \"%s\" is %s; %s expected", what, key, json_kind(v), wanted);
}

static int int_from(const json_t *v, const char *key, const char *what, long *out, struct err *e)
{
    if (json_is_integer(v)) {
        *out = (long)json_integer_value(v);
        return 0;
    }
    double x = json_real_value(v);
    if (json_is_real(v) && x == floor(x) && fabs(x) < 0x1p53) {
        *out = (long)x;
        return 0;
    }
    return wrong_type(v, key, what, "an integer", e);
}

int json_get_int(const json_t *o, const char *key, const char *what, long *out, struct err *e)
{
    return int_from(json_object_get(o, key), key, what, out, e);
}

/* NULL when the key is absent or null. */
static const json_t *present(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

int json_get_int_or(const json_t *o, const char *key, long fallback, long *out, struct err *e)
{
    const json_t *v = present(o, key);
    *out = fallback;
    return v ? int_from(v, key, "JSON", out, e) : 0;
}

int json_get_real_or(const json_t *o, const char *key, double fallback, double *out, struct err *e)
{
    const json_t *v = present(o, key);
    *out = fallback;
    if (!v) return 0;
    if (!json_is_number(v)) return wrong_type(v, key, "JSON", "a number", e);
    *out = json_number_value(v);
    return 0;
}

int json_get_bool_or(const json_t *o, const char *key, bool fallback, bool *out, struct err *e)
{
    const json_t *v = present(o, key);
    *out = fallback;
    if (!v) return 0;
    if (!json_is_boolean(v)) return wrong_type(v, key, "JSON", "true or false", e);
    *out = json_is_true(v);
    return 0;
}

int json_get_str(const json_t *o, const char *key, const char *what, const char **out, struct err *e)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return wrong_type(v, key, what, "a text", e);
    *out = json_string_value(v);
    return 0;
}

int json_get_str_or(const json_t *o, const char *key, const char *fallback, const char **out, struct err *e)
{
    const json_t *v = present(o, key);
    *out = fallback;
    if (!v) return 0;
    if (!json_is_string(v)) return wrong_type(v, key, "JSON", "a text", e);
    *out = json_string_value(v);
    return 0;
}

const char *json_str_or(const json_t *o, const char *key, const char *fallback)
{
    const json_t *v = json_object_get(o, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

char *json_text(const json_t *v)
{
    char *text = json_dumps(v, WRITE_FLAGS | JSON_COMPACT);
    CHECK(text, "a value that is %s cannot be written as JSON", json_kind(v));
    return text;
}

char *json_lines(const json_t *v)
{
    char *text = json_dumps(v, WRITE_FLAGS | JSON_INDENT(2));
    CHECK(text, "a value that is %s cannot be written as JSON", json_kind(v));
    return text;
}

int json_write_file(const json_t *v, const char *path, struct err *e)
{
    char *text = json_lines(v);
    struct file_out o;
    int rc = file_out_open(&o, path, e);
    if (!rc) {
        if (file_out_write(&o, text, strlen(text), e) || file_out_write(&o, "\n", 1, e)) {
            file_out_abort(&o);
            rc = -1;
        } else {
            rc = file_out_commit(&o, e);
        }
    }
    free(text);
    return rc;
}

int jsonl_open(struct jsonl *r, const char *path, struct err *e)
{
    bool standard = strcmp(path, "-") == 0;
    *r = (struct jsonl){0};
    if (!standard && file_is_dir(path)) return err_set(e, "%s is a folder, a file was expected", path);
    r->f = standard ? stdin : fopen(path, "re");
    if (!r->f) return err_errno(e, "cannot open %s", path);
    r->path = alloc_str(standard ? "standard input" : path);
    return 0;
}

static bool line_grow(struct jsonl *r)
{
    size_t cap = r->cap ? r->cap * 2 : 4096;
    char *buf = alloc_try_again(r->buf, cap);
    if (!buf) return false;
    r->buf = buf;
    r->cap = cap;
    return true;
}

/* The next line without its newline into r->buf: its length, or -1 at the end of the file or on an error. */
static long line_read(struct jsonl *r, struct err *e)
{
    size_t n = 0;
    int c;
    flockfile(r->f);
    while ((c = getc_unlocked(r->f)) != EOF && c != '\n' && n <= JSON_FILE_MAX) {
        if (n == r->cap && !line_grow(r)) break;
        r->buf[n++] = (char)c;
    }
    funlockfile(r->f);
    if (c != EOF && c != '\n' && n <= JSON_FILE_MAX)
        return err_set(e, "%s:%ld: no memory for more than the first %zu bytes of this line", r->path,
                       r->line + 1, n);
    if (c == EOF && ferror(r->f)) return err_errno(e, "%s: cannot read line %ld", r->path, r->line + 1);
    if (c == EOF && n == 0) return -1;
    r->line++;
    if (n > JSON_FILE_MAX)
        return err_set(e, "%s:%ld: line longer than %zu bytes", r->path, r->line, JSON_FILE_MAX);
    return (long)n;
}

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", p[i]) || !p[i]) return false;
    return true;
}

int jsonl_next(struct jsonl *r, json_t **out, struct err *e)
{
    *out = NULL;
    r->next = false;
    for (;;) {
        struct err local = {0};
        long got = line_read(r, &local);
        if (got < 0 && local.kind == ERR_NONE) return 0;
        if (got < 0) {
            if (e) *e = local;
            return -1;
        }
        const char *p = r->buf;
        size_t len = (size_t)got;
        /* A byte-order mark that an editor left at the start of the file. */
        if (r->line == 1 && len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3, len -= 3;
        if (is_blank(p, len)) continue;
        r->n = (size_t)got;
        r->next = true;
        char where[4096];
        snprintf(where, sizeof where, "%s:%ld", r->path, r->line);
        *out = json_read_bytes(p, len, where, e);
        return *out ? 1 : -1;
    }
}

void jsonl_close(struct jsonl *r)
{
    if (r->f && r->f != stdin) fclose(r->f);
    free(r->path);
    free(r->buf);
    *r = (struct jsonl){0};
}
