/* normalizers.c: the "normalizer" of tokenizer.json: one row a type; a Sequence is laid out flat. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "text/text_int.h"

#define WHERE "normalizer"
/* A normaliser that makes more of a text than this is not one. */
#define GROWTH_MAX  16
#define GROWTH_BASE 65536

static int nfc_stage_run(const struct norm_stage *s, struct enc *x, const char *p, size_t n, struct str *out)
{
    (void)s, (void)x;
    return nfc_run(p, n, out);
}

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
    (void)x;
    if (!n) return 0;
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
    size_t done = 0;
    int found;
    while ((found = regex_next(s->re, x->regex, p, n, &m, x->e)) > 0) {
        str_add(out, p + done, m.from - done);
        str_add(out, s->content, s->n);
        done = m.to;
    }
    if (found < 0) return -1;
    if (!m.any) return 0;
    str_add(out, p + done, n - done);
    return 1;
}

static const struct norm_type rows[] = {
    {"NFC", NULL, nfc_stage_run},
    {"Prepend", prepend_load, prepend_run},
    {"Replace", replace_load, replace_run},
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
    if (!o || json_is_null(o)) return 0;
    if (strcmp(element_type(o), "Sequence")) return load_one(t, o, e);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(o, "normalizers"), i, part)
    {
        if (load_one(t, part, e)) return -1;
    }
    return 0;
}

void norm_stage_release(struct norm_stage *s)
{
    free(s->content);
    regex_free(s->re);
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
