/* pre_rewrite.c: pre-tokenizers that change the text too: ByteLevel and Metaspace.
 *
 * ByteLevel writes each byte as GPT-2's character for it. A model of byte-level BPE looks bytes up itself, so
 * as the last stage before one it only cuts (pretokenizers_give_bytes).
 */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE "pre_tokenizer"

/* Two rooms a stage; what is in one stays until the stage is entered again. */
static struct str *room(struct enc *x, int stage, int which)
{
    struct str *s = &x->room[stage][which];
    if (!s->p) str_init(s, 4 * TEXT_MAX);
    str_clear(s);
    return s;
}

/* How much of a piece, from its start, stems from the text's first character (normalizers.c). */
static size_t head_of(const struct enc *x, const char *p, size_t n)
{
    if (p < x->first || p >= x->first_end) return 0;
    return (size_t)(x->first_end - p) < n ? (size_t)(x->first_end - p) : n;
}

/* The next stage on a piece that is now in s, with so much of the first character in it. */
static int rewritten(struct enc *x, const struct str *s, size_t head, int stage,
                     int (*run)(struct enc *x, int stage, const char *p, size_t n))
{
    const char *first = x->first, *end = x->first_end;
    x->first = s->p;
    x->first_end = s->p + head;
    int result = run(x, stage, s->p, s->len);
    x->first = first;
    x->first_end = end;
    return result;
}

/* ---- ByteLevel ----------------------------------------------------------------------------------------- */

static int mapped_run(struct enc *x, int stage, const char *p, size_t n)
{
    struct str *s = room(x, stage, 1);
    size_t head = head_of(x, p, n);
    bytemap_text(p, head, s);
    size_t mapped = s->len;
    bytemap_text(p + head, n - head, s);
    if (s->full) return err_set(x->e, WHERE ": ByteLevel: a piece of %zu bytes is too long", n);
    return rewritten(x, s, mapped, stage + 1, pre_run);
}

static int bytes_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    if (!st->map) return st->scan ? scan_run(x, stage, p, n) : pre_run(x, stage + 1, p, n);
    for (const char *end = p + n, *q; p < end; p = q) {
        q = st->scan ? st->scan(p, end) : end;
        if (mapped_run(x, stage, p, (size_t)(q - p))) return -1;
    }
    return 0;
}

int pre_bytes_run(struct enc *x, int stage, const char *p, size_t n)
{
    if (!x->t->pre[stage].prefix_space || *p == ' ') return bytes_run(x, stage, p, n);
    struct str *s = room(x, stage, 0);
    size_t head = head_of(x, p, n);
    str_add(s, " ", 1);
    str_add(s, p, n);
    return rewritten(x, s, head ? head + 1 : 0, stage, bytes_run);
}

int pre_bytes_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    bool use_regex;
    if (json_get_bool_or(o, "add_prefix_space", true, &s->prefix_space, e)) return -1;
    if (json_get_bool_or(o, "use_regex", true, &use_regex, e)) return -1;
    if (use_regex) s->scan = scan_find(scan_gpt2);
    s->map = true;
    return 0;
}

/* ---- Metaspace ----------------------------------------------------------------------------------------- */

int pre_marks_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    uint32_t cp;
    if (element_char(o, "replacement", &cp, e) || prepend_scheme(o, &s->prepend, e)) return -1;
    if (json_get_bool_or(o, "split", true, &s->cut, e)) return -1;
    s->n_mark = (size_t)utf8_put(s->mark, cp);
    return 0;
}

static void mark_spaces(const struct pre_stage *st, const char *p, size_t n, struct str *s)
{
    for (const char *end = p + n, *q; p < end; p = q) {
        q = memchr(p, ' ', (size_t)(end - p));
        str_add(s, p, (size_t)((q ? q : end) - p));
        if (q) str_add(s, st->mark, st->n_mark);
        q = q ? q + 1 : end;
    }
}

static int marks_cut(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    if (!st->cut) return pre_run(x, stage + 1, p, n);
    for (const char *end = p + n, *to; p < end; p = to) {
        to = memmem(p + 1, (size_t)(end - p - 1), st->mark, st->n_mark);
        if (!to) to = end;
        if (pre_run(x, stage + 1, p, (size_t)(to - p))) return -1;
    }
    return 0;
}

/* Spaces become marks, and perhaps one is put in front. */
int pre_marks_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    struct str *s = room(x, stage, 0);
    size_t head = head_of(x, p, n);
    bool marked = *p == ' ' || (n >= st->n_mark && !memcmp(p, st->mark, st->n_mark));
    if (!marked && (st->prepend == PREPEND_ALWAYS || (st->prepend == PREPEND_FIRST && head)))
        str_add(s, st->mark, st->n_mark);
    mark_spaces(st, p, head, s);
    size_t new_head = head ? s->len : 0;
    mark_spaces(st, p + head, n - head, s);
    if (s->full) return err_set(x->e, WHERE ": Metaspace: a piece of %zu bytes is too long", n);
    return rewritten(x, s, new_head, stage, marks_cut);
}
