/* normalizers.c: the "normalizer" of tokenizer.json: one row a type; a Sequence is laid out flat. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE "normalizer"
/* A normaliser that makes more of a text than this is not one. */
#define GROWTH_MAX  16
#define GROWTH_BASE 65536

/* Hugging Face's library knows of every character which one of the original it stems from; a Metaspace that
 * only marks what comes first asks for that, of each piece. So each stage keeps x->head: how much at the
 * start of its result stems from the first character. */

/* ---- normalisation forms and sets of characters ------------------------------------------------------- */

/* The characters that the first becomes by itself, as far as out begins with them; if what follows has joined
 * or moved in, at least one. */
static void head_alone(struct enc *x, const struct str *alone, const struct str *out)
{
    size_t same = 0, most = alone->len < out->len ? alone->len : out->len;
    int step = 0;
    while (same < most && alone->p[same] == out->p[same]) same++;
    while (same > 0 && same < out->len && ((unsigned char)out->p[same] & 0xC0) == 0x80) same--;
    if (out->len) utf8_at(out->p, &step);
    x->head = same > (size_t)step ? same : (size_t)step;
}

static int form_stage(enum norm_form form, struct enc *x, const char *p, size_t n, struct str *out)
{
    struct str alone;
    if (!form_run(form, p, n, out)) return 0;
    if (!x->head) return 1;
    str_init(&alone, 0);
    if (!form_run(form, p, x->head, &alone)) str_add(&alone, p, x->head);
    head_alone(x, &alone, out);
    str_release(&alone);
    return 1;
}

static int nfc_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    return form_stage(FORM_C, x, p, n, out);
}

static int nfd_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    return form_stage(FORM_D, x, p, n, out);
}

static int nfkc_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    return form_stage(FORM_KC, x, p, n, out);
}

static int nfkd_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    return form_stage(FORM_KD, x, p, n, out);
}

/* Character by character, so that a final sigma is as any other. */
static int lowercase_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    const char *head = p + x->head;
    int step;
    for (const char *end = p + n; p < end; p += step) {
        char low[4];
        uint32_t cp = utf8_at(p, &step);
        if (cp == 0x130)
            str_puts(out, "i\xCC\x87"); /* the one whose lower case is two characters */
        else
            str_add(out, low, (size_t)utf8_put(low, uc_lower(cp)));
        if (p < head) x->head = out->len;
    }
    return 1;
}

static int strip_accents_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n,
                             struct str *out)
{
    (void)s;
    const char *head = p + x->head;
    int step;
    for (const char *end = p + n; p < end; p += step) {
        if (!uc_in(&uc_marks, utf8_at(p, &step))) str_add(out, p, (size_t)step);
        if (p < head) x->head = out->len;
    }
    return out->len < n;
}

static int strip_load(struct norm_stage *s, const json_t *o, struct err *e)
{
    return json_get_bool_or(o, "strip_left", true, &s->left, e) ||
                   json_get_bool_or(o, "strip_right", true, &s->right, e)
               ? -1
               : 0;
}

static int strip_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    const char *from = p, *to = p + n;
    if (s->left) from = spaces_after(p, to);
    if (s->right) to = spaces_before(from, to);
    if ((size_t)(to - from) == n) return 0;
    x->head -= (size_t)(from - p) < x->head ? (size_t)(from - p) : x->head;
    if (x->head > (size_t)(to - from)) x->head = (size_t)(to - from);
    str_add(out, from, (size_t)(to - from));
    return 1;
}

static int byte_level_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s;
    bytemap_text(p, x->head, out);
    size_t head = out->len;
    bytemap_text(p + x->head, n - x->head, out);
    x->head = head;
    return 1;
}

/* ---- texts put in and replaced ------------------------------------------------------------------------ */

static int content_load(struct norm_stage *s, const json_t *o, const char *key, struct err *e)
{
    const char *text;
    if (json_get_str(o, key, WHERE, &text, e)) return -1;
    s->n = strlen(text);
    s->content = alloc_strn(text, s->n);
    return 0;
}

static int prepend_load(struct norm_stage *s, const json_t *o, struct err *e)
{
    return content_load(s, o, "prepend", e);
}

static int prepend_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    if (!n) return 0;
    if (x->head) x->head += s->n;
    str_add(out, s->content, s->n);
    str_add(out, p, n);
    return 1;
}

static int replace_load(struct norm_stage *s, const json_t *o, struct err *e)
{
    if (content_load(s, o, "content", e)) return -1;
    s->re = element_pattern(o, WHERE ": Replace", e);
    return s->re ? 0 : -1;
}

static int replace_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    struct match m = {0};
    size_t done = 0, from_head = x->head, head = 0; /* what is put in stems from the last that it replaces */
    int found;
    while ((found = regex_next(s->re, x->regex, p, n, &m, x->e)) > 0) {
        str_add(out, p + done, m.from - done);
        if (done < from_head) head = out->len - (m.from > from_head ? m.from - from_head : 0);
        str_add(out, s->content, s->n);
        if (m.to <= from_head) head = out->len;
        done = m.to;
    }
    if (found < 0) return -1;
    if (!m.any) return 0;
    str_add(out, p + done, n - done);
    x->head = done < from_head ? out->len - (n - from_head) : head;
    return 1;
}

/* ---- SentencePiece's table of replacements ------------------------------------------------------------ */

static int precompiled_load(struct norm_stage *s, const json_t *o, struct err *e)
{
    const char *text;
    if (json_get_str(o, "precompiled_charsmap", WHERE ": Precompiled", &text, e)) return -1;
    if (json_get_bool_or(o, "longest", false, &s->left, e)) return -1;
    s->map = charsmap_new(text, strlen(text), e);
    return s->map ? 0 : err_wrap(e, WHERE ": Precompiled");
}

static int precompiled_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n,
                           struct str *out)
{
    struct str alone;
    charsmap_run(s->map, s->left, p, n, out);
    if (!x->head) return 1;
    str_init(&alone, 0);
    charsmap_run(s->map, s->left, p, x->head, &alone);
    head_alone(x, &alone, out);
    str_release(&alone);
    return 1;
}

/* ---- table -------------------------------------------------------------------------------------------- */

static const struct norm_type rows[] = {
    {"NFC", NULL, nfc_run},
    {"NFD", NULL, nfd_run},
    {"NFKC", NULL, nfkc_run},
    {"NFKD", NULL, nfkd_run},
    {"Lowercase", NULL, lowercase_run},
    {"Strip", strip_load, strip_run},
    {"StripAccents", NULL, strip_accents_run},
    {"Prepend", prepend_load, prepend_run},
    {"Replace", replace_load, replace_run},
    {"ByteLevel", NULL, byte_level_run},
    {"Precompiled", precompiled_load, precompiled_run},
    {"Sequence", NULL, NULL},
    {NULL, NULL, NULL},
};

static int load_one(struct tokenizer *t, const json_t *o, struct err *e)
{
    const struct norm_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->run) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    if (t->n_norm == STAGES_MAX) return err_set(e, WHERE ": more than %d stages", STAGES_MAX);
    struct norm_stage *s = &t->norm[t->n_norm++];
    s->type = type;
    return type->load ? type->load(s, o, e) : 0;
}

int normalizers_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    return element_sequence(t, o, "normalizers", load_one, e);
}

void norm_stage_release(struct norm_stage *s)
{
    free(s->content);
    regex_free(s->re);
    charsmap_free(s->map);
}

int normalize(struct enc *x, const char *p, size_t n, const char **q, size_t *m)
{
    int into = 0;
    for (int i = 0; i < x->t->n_norm; i++) {
        const struct norm_stage *s = &x->t->norm[i];
        struct str *out = &x->norm[into];
        str_clear(out);
        out->max = GROWTH_MAX * n + GROWTH_BASE;
        int changed = s->type->run(s, x, p, n, out);
        if (changed < 0) return -1;
        if (out->full)
            return err_set(x->e, "%zu bytes of text become more than %zu by " WHERE " %s", n, out->max,
                           s->type->name);
        if (!changed) continue;
        p = out->p;
        n = out->len;
        into = !into;
    }
    *q = p;
    *m = n;
    return 0;
}
