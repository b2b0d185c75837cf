/* decode_steps.c: the decoders themselves, and running them one after the other over a list of strings.
 *
 * A step maps each string by itself (Replace, Strip; Metaspace and BPEDecoder also ask whether it is the
 * first or the last), turns runs of <0xNN> into characters (ByteFallback), or joins all (Fuse; ByteLevel,
 * which maps characters to bytes before).
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE       "decoder"
#define REPLACEMENT "\xEF\xBF\xBD"

/* ---- strings ------------------------------------------------------------------------------------------ */

void decode_list_init(struct decode_list *l)
{
    *l = (struct decode_list){0};
    str_init(&l->text, 4 * TEXT_MAX);
}

void decode_list_release(struct decode_list *l)
{
    str_release(&l->text);
    free(l->end);
}

static void list_close(struct decode_list *l)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->end = alloc_again(l->end, l->cap * sizeof *l->end);
    }
    l->end[l->n++] = l->text.len;
}

void decode_list_add(struct decode_list *l, const char *p, size_t n)
{
    str_add(&l->text, p, n);
    list_close(l);
}

static const char *list_at(const struct decode_list *l, size_t i, size_t *n)
{
    size_t from = i ? l->end[i - 1] : 0;
    *n = l->end[i] - from;
    return l->text.p + from;
}

/* ---- steps that map one string ------------------------------------------------------------------------ */

static int replace_load(struct decode_step *s, const json_t *o, struct err *e)
{
    const char *content;
    if (json_get_str(o, "content", WHERE ": Replace", &content, e)) return -1;
    s->text = alloc_str(content);
    s->re = element_pattern(o, WHERE ": Replace", e);
    return s->re ? 0 : -1;
}

/* 1: changed, the result is in out; 0: as it was; -1: e. */
static int replace_one(const struct decode_step *s, const struct decode_one *in, struct str *out,
                       struct err *e)
{
    struct match m = {0};
    size_t done = 0;
    int found;
    while ((found = regex_next(s->re, in->scratch, in->p, in->n, &m, e)) > 0) {
        str_add(out, in->p + done, m.from - done);
        str_puts(out, s->text);
        done = m.to;
    }
    if (found < 0) return -1;
    if (!m.any) return 0;
    str_add(out, in->p + done, in->n - done);
    return 1;
}

static int strip_load(struct decode_step *s, const json_t *o, struct err *e)
{
    uint32_t cp;
    char text[5] = {0};
    if (element_char(o, "content", &cp, e)) return -1;
    if (json_get_int(o, "start", WHERE ": Strip", &s->start, e)) return -1;
    if (json_get_int(o, "stop", WHERE ": Strip", &s->stop, e)) return -1;
    if (s->start < 0 || s->stop < 0 || s->start > INT32_MAX || s->stop > INT32_MAX)
        return err_set(e, WHERE ": Strip: start %ld and stop %ld; 0 or more expected", s->start, s->stop);
    utf8_put(text, cp);
    s->text = alloc_str(text);
    return 0;
}

static int strip_one(const struct decode_step *s, const struct decode_one *in, struct str *out, struct err *e)
{
    const char *p = in->p;
    size_t k = strlen(s->text), from = 0, to = in->n;
    (void)e;
    for (long i = 0; i < s->start && to - from >= k && !memcmp(p + from, s->text, k); i++) from += k;
    for (long i = 0; i < s->stop && to - from >= k && !memcmp(p + to - k, s->text, k); i++) to -= k;
    if (to - from == in->n) return 0;
    str_add(out, p + from, to - from);
    return 1;
}

static int metaspace_load(struct decode_step *s, const json_t *o, struct err *e)
{
    uint32_t cp;
    char text[5] = {0};
    if (element_char(o, "replacement", &cp, e) || prepend_scheme(o, &s->prepend, e)) return -1;
    utf8_put(text, cp);
    s->text = alloc_str(text);
    return 0;
}

/* Marks are spaces; in the first string none is left, as at least the first was put in front. */
static int metaspace_one(const struct decode_step *s, const struct decode_one *in, struct str *out,
                         struct err *e)
{
    size_t k = strlen(s->text);
    const char *p = in->p, *end = p + in->n, *q;
    (void)e;
    if (!memmem(p, in->n, s->text, k)) return 0;
    for (; (q = memmem(p, (size_t)(end - p), s->text, k)); p = q + k) {
        str_add(out, p, (size_t)(q - p));
        if (!in->edge || s->prepend == PREPEND_NEVER) str_add(out, " ", 1);
    }
    str_add(out, p, (size_t)(end - p));
    return 1;
}

static int suffix_load(struct decode_step *s, const json_t *o, struct err *e)
{
    const char *suffix;
    if (json_get_str(o, "suffix", WHERE ": BPEDecoder", &suffix, e)) return -1;
    s->text = alloc_str(suffix);
    return 0;
}

static int suffix_one(const struct decode_step *s, const struct decode_one *in, struct str *out,
                      struct err *e)
{
    size_t k = strlen(s->text);
    const char *p = in->p, *end = p + in->n, *q;
    (void)e;
    if (!k) return 0;
    for (; (q = memmem(p, (size_t)(end - p), s->text, k)); p = q + k) {
        str_add(out, p, (size_t)(q - p));
        if (!in->edge) str_add(out, " ", 1);
    }
    str_add(out, p, (size_t)(end - p));
    return 1;
}

/* ---- steps over the list ------------------------------------------------------------------------------ */

static void map_each(const struct decode_step *s, const struct decode_list *in, struct decode_list *out)
{
    struct regex_scratch *scratch = regex_scratch_new();
    struct str one;
    struct err e = {0};
    str_init(&one, 0);
    for (size_t i = 0; i < in->n; i++) {
        struct decode_one x = {.scratch = scratch, .edge = s->type->kind == STEP_LAST ? i + 1 == in->n : !i};
        x.p = list_at(in, i, &x.n);
        str_clear(&one);
        /* A string that an expression gives up on stays as it is: decoding has no errors. */
        bool changed = s->type->one(s, &x, &one, &e) > 0;
        decode_list_add(out, changed ? one.p : x.p, changed ? one.len : x.n);
    }
    str_release(&one);
    regex_scratch_free(scratch);
}

int byte_token(const char *p, size_t n)
{
    int byte = 0;
    if (n != 6 || memcmp(p, "<0x", 3) || p[5] != '>') return -1;
    for (int i = 3; i < 5; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0) return -1;
        byte = byte << 4 | digit;
    }
    return byte;
}

static void bytes_flush(struct str *run, struct decode_list *out)
{
    if (run->len && utf8_valid(run->p, run->len))
        decode_list_add(out, run->p, run->len);
    else
        for (size_t i = 0; i < run->len; i++) decode_list_add(out, REPLACEMENT, 3);
    str_clear(run);
}

static void bytes_join(const struct decode_list *in, struct decode_list *out)
{
    struct str run;
    str_init(&run, 0);
    for (size_t i = 0; i < in->n; i++) {
        size_t n;
        const char *p = list_at(in, i, &n);
        int byte = byte_token(p, n);
        char c = (char)byte;
        if (byte >= 0) {
            str_add(&run, &c, 1);
            continue;
        }
        bytes_flush(&run, out);
        decode_list_add(out, p, n);
    }
    bytes_flush(&run, out);
    str_release(&run);
}

static void byte_level_join(const struct decode_list *in, struct decode_list *out)
{
    struct str all;
    str_init(&all, 4 * TEXT_MAX);
    for (size_t i = 0; i < in->n; i++) {
        size_t n;
        const char *p = list_at(in, i, &n);
        char *bytes = alloc_or_die(n + 1);
        long m = bytemap_bytes(p, n, bytes);
        str_add(&all, m < 0 ? p : bytes, m < 0 ? n : (size_t)m);
        free(bytes);
    }
    utf8_add(&out->text, all.p, all.len);
    list_close(out);
    str_release(&all);
}

void decode_steps(const struct decoder *d, struct decode_list *list, struct str *out)
{
    for (int i = 0; i < d->n_steps; i++) {
        struct decode_list next;
        decode_list_init(&next);
        switch (d->step[i].type->kind) {
        case STEP_ONE:
        case STEP_FIRST:
        case STEP_LAST: map_each(&d->step[i], list, &next); break;
        case STEP_BYTES: bytes_join(list, &next); break;
        case STEP_BYTE_LEVEL: byte_level_join(list, &next); break;
        case STEP_FUSE: decode_list_add(&next, list->text.p, list->text.len); break;
        }
        decode_list_release(list);
        *list = next;
    }
    str_add(out, list->text.p, list->text.len);
    if (list->text.full) out->full = true;
}

/* ---- table -------------------------------------------------------------------------------------------- */

static const struct decode_type rows[] = {
    {"ByteLevel", STEP_BYTE_LEVEL, NULL, NULL},
    {"Fuse", STEP_FUSE, NULL, NULL},
    {"Replace", STEP_ONE, replace_load, replace_one},
    {"ByteFallback", STEP_BYTES, NULL, NULL},
    {"Strip", STEP_ONE, strip_load, strip_one},
    {"Metaspace", STEP_FIRST, metaspace_load, metaspace_one},
    {"BPEDecoder", STEP_LAST, suffix_load, suffix_one},
    {"Sequence", STEP_FUSE, NULL, NULL},
    {NULL, STEP_FUSE, NULL, NULL},
};

int decode_step_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    struct decoder *d = &t->dec;
    const struct decode_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->name || !strcmp(type->name, "Sequence"))
        return element_unknown(e, WHERE, o, rows, sizeof *rows);
    if (d->n_steps == STAGES_MAX) return err_set(e, WHERE ": more than %d steps", STAGES_MAX);
    struct decode_step *s = &d->step[d->n_steps++];
    s->type = type;
    return type->load ? type->load(s, o, e) : 0;
}

void decode_step_release(struct decode_step *s)
{
    free(s->text);
    regex_free(s->re);
}

bool decode_step_strips_front(const struct decode_step *s)
{
    return s->type->load == strip_load && !s->stop && strlen(s->text) == 1;
}
