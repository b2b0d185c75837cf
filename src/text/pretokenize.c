/* pretokenize.c: the "pre_tokenizer" of tokenizer.json: one row a type; a Sequence is laid out flat.
 *
 * A stage cuts the text it is given and hands each piece to the next stage; the last hands it to the model.
 * So pieces are never stored. ByteLevel changes what the model sees (bytes instead of characters) and
 * therefore must be the last stage. Expressions that scan.c knows are scanned by hand.
 */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE "pre_tokenizer"

int pre_run(struct enc *x, int stage, const char *p, size_t n)
{
    if (!n) return 0;
    if (stage == x->t->n_pre) return bpe_encode(&x->t->bpe, x, p, n);
    return x->t->pre[stage].type->run(x, stage, p, n);
}

static int scan_run(struct enc *x, int stage, const char *p, size_t n)
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

/* Ranges, matching or not, come in order and cover the text; what is held waits for a neighbour to join. */
struct splitter {
    struct enc *x;
    int next;
    enum split_behavior behavior;
    const char *held;
    size_t n_held;
    bool held_match, any;
};

static int split_flush(struct splitter *s)
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

static int split_range(struct splitter *s, const char *p, size_t n, bool match)
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

static int split_load(struct tokenizer *t, struct pre_stage *s, const json_t *o, struct err *e)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    (void)t;
    const char *behavior;
    if (json_get_str(o, "behavior", WHERE ": Split", &behavior, e)) return -1;
    size_t b = 0;
    while (b < 5 && strcmp(names[b], behavior)) b++;
    if (b == 5)
        return err_set(e,
                       WHERE ": Split: behavior \"%s\"; Removed, Isolated, MergedWithPrevious, "
                             "MergedWithNext or Contiguous expected",
                       behavior);
    s->behavior = (enum split_behavior)b;
    if (json_get_bool_or(o, "invert", false, &s->invert, e)) return -1;
    const char *re = json_str_or(json_object_get(o, "pattern"), "Regex", "");
    /* The known expressions match everywhere, so keeping only the matches is the same as keeping all. */
    if (s->behavior == SPLIT_ISOLATED || (s->behavior == SPLIT_REMOVED && s->invert)) s->scan = scan_find(re);
    s->re = element_pattern(o, WHERE ": Split", e);
    return s->re ? 0 : -1;
}

/* ---- Digits -------------------------------------------------------------------------------------------- */

static int digits_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    const uint8_t *table = unicode_table();
    struct splitter s = {.x = x, .next = stage + 1, .behavior = st->behavior};
    const char *end = p + n;
    while (p < end) {
        int step = 0;
        const char *q = p;
        while (q < end && !uc_number(table[utf8_at(q, &step)])) q += step;
        if (q > p && split_range(&s, p, (size_t)(q - p), false)) return -1;
        if (q == end) break;
        if (split_range(&s, q, (size_t)step, true)) return -1;
        p = q + step;
    }
    return split_flush(&s);
}

static int digits_load(struct tokenizer *t, struct pre_stage *s, const json_t *o, struct err *e)
{
    (void)t;
    bool individual;
    if (json_get_bool_or(o, "individual_digits", false, &individual, e)) return -1;
    s->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return 0;
}

/* ---- ByteLevel ----------------------------------------------------------------------------------------- */

static int byte_level_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    if (st->prefix_space && *p != ' ') {
        str_clear(&x->prefix);
        str_add(&x->prefix, " ", 1);
        str_add(&x->prefix, p, n);
        p = x->prefix.p;
        n = x->prefix.len;
    }
    return st->scan ? scan_run(x, stage, p, n) : pre_run(x, stage + 1, p, n);
}

static int byte_level_load(struct tokenizer *t, struct pre_stage *s, const json_t *o, struct err *e)
{
    bool use_regex;
    if (json_get_bool_or(o, "add_prefix_space", true, &s->prefix_space, e)) return -1;
    if (json_get_bool_or(o, "use_regex", true, &use_regex, e)) return -1;
    if (use_regex) s->scan = scan_find(scan_gpt2);
    t->bpe.byte_level = true;
    return 0;
}

/* ---- table --------------------------------------------------------------------------------------------- */

static const struct pre_type rows[] = {
    {"Split", split_load, split_run},
    {"Digits", digits_load, digits_run},
    {"ByteLevel", byte_level_load, byte_level_run},
    {"Sequence", NULL, NULL},
    {NULL, NULL, NULL},
};

static int load_one(struct tokenizer *t, const json_t *o, struct err *e)
{
    const struct pre_type *type = rows;
    while (type->name && strcmp(type->name, element_type(o))) type++;
    if (!type->run) return element_unknown(e, WHERE, o, rows, sizeof *rows);
    if (t->bpe.byte_level) return err_set(e, WHERE ": ByteLevel must be the last stage");
    if (t->n_pre == STAGES_MAX) return err_set(e, WHERE ": more than %d stages", STAGES_MAX);
    struct pre_stage *s = &t->pre[t->n_pre++];
    s->type = type;
    if (type->load(t, s, o, e)) return -1;
    /* Nothing to do but say that the model sees bytes. */
    if (t->bpe.byte_level && !s->scan && !s->prefix_space) t->n_pre--;
    return 0;
}

int pretokenizers_load(struct tokenizer *t, const json_t *o, struct err *e)
{
    if (!o || json_is_null(o)) return 0;
    if (strcmp(element_type(o), "Sequence")) return load_one(t, o, e);
    size_t i;
    const json_t *part;
    json_array_foreach(json_object_get(o, "pretokenizers"), i, part)
    {
        if (load_one(t, part, e)) return -1;
    }
    return 0;
}

void pre_stage_release(struct pre_stage *s)
{
    regex_free(s->re);
}
