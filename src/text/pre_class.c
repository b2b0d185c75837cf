/* pre_class.c: pre-tokenizers that cut at characters of a class, and at a number of characters. */
#include <string.h>

#include "base/json.h"
#include "text/text_int.h"
#include "text/unicode.h"

#define WHERE "pre_tokenizer"

static bool is_digit(const struct pre_stage *s, uint32_t cp)
{
    (void)s;
    return uc_number(unicode_table()[cp]);
}

static bool is_space(const struct pre_stage *s, uint32_t cp)
{
    (void)s;
    return unicode_table()[cp] & UC_SPACE;
}

static bool is_punctuation(const struct pre_stage *s, uint32_t cp)
{
    (void)s;
    return uc_in(&uc_punctuation, cp);
}

static bool is_delimiter(const struct pre_stage *s, uint32_t cp)
{
    return cp == s->delimiter;
}

int class_run(struct enc *x, int stage, const char *p, size_t n)
{
    const struct pre_stage *st = &x->t->pre[stage];
    struct splitter s = {.x = x, .next = stage + 1, .behavior = st->behavior};
    const char *end = p + n;
    while (p < end) {
        int step = 0;
        const char *q = p;
        while (q < end && !st->is(st, utf8_at(q, &step))) q += step;
        if (q > p && split_range(&s, p, (size_t)(q - p), false)) return -1;
        if (q == end) break;
        if (split_range(&s, q, (size_t)step, true)) return -1;
        p = q + step;
    }
    return split_flush(&s);
}

int digits_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    bool individual;
    if (json_get_bool_or(o, "individual_digits", false, &individual, e)) return -1;
    s->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    s->is = is_digit;
    return 0;
}

int punctuation_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    s->is = is_punctuation;
    return behavior_load(s, o, "Isolated", e);
}

int whitespace_split_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    (void)o, (void)e;
    s->is = is_space;
    s->behavior = SPLIT_REMOVED;
    return 0;
}

int char_delimiter_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    if (element_char(o, "delimiter", &s->delimiter, e)) return -1;
    s->is = is_delimiter;
    s->behavior = SPLIT_REMOVED;
    return 0;
}

/* Runs of word characters and runs of symbols; white space is left out. */
int whitespace_run(struct enc *x, int stage, const char *p, size_t n)
{
    const char *end = p + n;
    int step;
    while (p < end) {
        uint32_t cp = utf8_at(p, &step);
        const char *q = p + step;
        bool space = is_space(NULL, cp), word = uc_word(cp);
        for (; !space && q < end; q += step) {
            cp = utf8_at(q, &step);
            if (uc_word(cp) != word || is_space(NULL, cp)) break;
        }
        if (!space && pre_run(x, stage + 1, p, (size_t)(q - p))) return -1;
        p = q;
    }
    return 0;
}

int fixed_length_load(struct pre_stage *s, const json_t *o, struct err *e)
{
    if (json_get_int_or(o, "length", 5, &s->length, e)) return -1;
    if (s->length < 1) return err_set(e, WHERE ": FixedLength: length %ld; at least 1 expected", s->length);
    return 0;
}

int fixed_length_run(struct enc *x, int stage, const char *p, size_t n)
{
    const char *end = p + n;
    int step;
    while (p < end) {
        const char *q = p;
        for (long i = 0; i < x->t->pre[stage].length && q < end; i++, q += step) utf8_at(q, &step);
        if (pre_run(x, stage + 1, p, (size_t)(q - p))) return -1;
        p = q;
    }
    return 0;
}
