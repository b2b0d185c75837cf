/* pretokenize.c: the "pre_tokenizer" of tokenizer.json: one row a type; a Sequence is laid out flat.
 *
 * A stage cuts the text it is given and hands each piece to the next stage; the last hands it to the model.
 * So pieces are never stored. Expressions that scan.c knows are scanned by hand. Here are Split and the
 * table; stages that cut at characters of a class are in pre_class.c, those that rewrite the text in
 * pre_rewrite.c.
 */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"

#define WHERE "pre_tokenizer"

int pre_run(struct enc *x, int stage, const char *p, size_t n)
{
    if (!n) return 0;
    if (stage == x->t->n_pre) return piece_encode(x, p, n);
    return x->t->pre[stage].type->run(x, stage, p, n);
}

int scan_run(struct enc *x, int stage, const char *p, size_t n)
{
    scan_fn scan = x->t->pre[stage].scan;
    for (const char *end = p + n; p < end;) {
        const char *q = scan(p, end);
        if (pre_run(x, stage + 1, p, (size_t)(q - p))) return -1;
        p = q;
    }
    return 0;
}

/* ---- Split --------------------------------------------------------------------------------------------- */

int split_flush(struct splitter *s)
{
    size_t n = s->n_held;
    s->n_held = 0;
    return n ? pre_run(s->x, s->next, s->held, n) : 0;
}

static bool split_joins(const struct splitter *s, bool match)
{
    if (!s->any) return false;
    switch (s->behavior) {
    case SPLIT_PREVIOUS: return match && !s->held_match;
    case SPLIT_NEXT: return !match && s->held_match;
    case SPLIT_CONTIGUOUS: return match == s->held_match;
    default: return false;
    }
}

int split_range(struct splitter *s, const char *p, size_t n, bool match)
{
    bool joins = split_joins(s, match);
    if (!joins && split_flush(s)) return -1;
    if (!joins) s->held = p;
    s->n_held += n;
    if (match && s->behavior == SPLIT_REMOVED) s->n_held = 0;
    s->held_match = match;
    s->any = true;
    return 0;
}

static int split_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    if (st->scan) return scan_run(x, stage, p, n);
    struct splitter s = {.x = x, .next = stage + 1, .behavior = st->behavior};
    struct match m = {0};
    size_t done = 0;
    int found;
    while ((found = regex_next(st->re, x->regex, p, n, &m, x->e)) > 0) {
        if (m.from > done && split_range(&s, p + done, m.from - done, st->invert)) return -1;
        if (split_range(&s, p + m.from, m.to - m.from, !st->invert)) return -1;
        done = m.to;
    }
    if (found < 0) return -1;
    if (done < n && split_range(&s, p + done, n - done, st->invert)) return -1;
    return split_flush(&s);
}

int behavior_load(struct pre_stage *s, const json_t *o, const char *fallback, struct err *e)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const char *behavior = json_str_or(o, "behavior", fallback);
    size_t b = 0;
    while (b < 5 && strcmp(names[b], behavior)) b++;
    if (b == 5)
        return err_set(e,
                       WHERE ": %s: behavior \"%s\"; Removed, Isolated, MergedWithPrevious, "
                             "MergedWithNext or Contiguous expected",
                       element_type(o), behavior);
    s->behavior = (enum split_behavior)b;
    return 0;
}

static int split_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    if (behavior_load(s, o, "", e) || json_get_bool_or(o, "invert", false, &s->invert, e)) return -1;
    const char *re = json_str_or(json_object_get(o, "pattern"), "Regex", "");
    /* The known expressions match everywhere, so keeping only the matches is the same as keeping all. */
    if (s->behavior == SPLIT_ISOLATED || (s->behavior == SPLIT_REMOVED && s->invert)) s->scan = scan_find(re);
    s->re = element_pattern(o, WHERE ": Split", e);
    return s->re ? 0 : -1;
}

/* ---- table --------------------------------------------------------------------------------------------- */

static const struct pre_type rows[] = {
    {"Split", split_load, split_run},
    {"Digits", digits_load, class_run},
    {"Punctuation", punctuation_load, class_run},
    {"WhitespaceSplit", whitespace_split_load, class_run},
    {"CharDelimiterSplit", char_delimiter_load, class_run},
    {"Whitespace", NULL, whitespace_run},
    {"FixedLength", fixed_length_load, fixed_length_run},
    {"Metaspace", pre_marks_load, pre_marks_run},
    {"ByteLevel", pre_bytes_load, pre_bytes_run},
    {"Sequence", NULL, NULL},
    {NULL, NULL, NULL},
};

static int load_one(struct tokenizer *t, const json_t *o, struct err *e)
{
    const struct pre_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->run) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    if (t->n_pre == STAGES_MAX) return err_set(e, WHERE ": more than %d stages", STAGES_MAX);
    struct pre_stage *s = &t->pre[t->n_pre++];
    s->type = type;
    return type->load ? type->load(s, o, e) : 0;
}

int pretokenizers_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    return element_sequence(t, o, "pretokenizers", load_one, e);
}

bool pretokenizers_give_bytes(struct tokenizer *t)
{
    struct pre_stage *last = t->n_pre ? &t->pre[t->n_pre - 1] : NULL;
    if (!last || last->type->run != pre_bytes_run) return false;
    last->map = false;
    if (!last->scan && !last->prefix_space) t->n_pre--; /* nothing is left for it to do */
    return true;
}

void pre_stage_release(struct pre_stage *s)
{
    regex_free(s->re);
}
