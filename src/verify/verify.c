/* verify.c: gold and answer from text to verdict, and the receipt. */
#include <ctype.h>
#include <gmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "verify/compare_int.h"
#include "verify/explain.h"

#define READINGS_MAX 3

/* One way to read the gold. */
struct reading {
    const struct candidate *from;
    struct node *node; /* NULL: words, or a formula that could not be read */
};
struct trial {
    struct work w;
    struct judge j;
    struct finder gold, answer;
    struct reading reading[READINGS_MAX];
    int n_readings;
    unsigned choice; /* letters, when the gold is a choice */
    struct receipt *out;
    struct explain explain;
    struct node *parsed;                  /* the formula read last, before it was written out */
    struct reading shown[CANDIDATES_MAX]; /* of gold, then of answer */
    int n_shown;
};

static void cut_to(char *field, size_t size, const char *s, size_t n)
{
    if (n < size) {
        memcpy(field, s, n);
        field[n] = 0;
        return;
    }
    size_t k = size - 4;
    while (k > 0 && ((unsigned char)s[k] & 0xC0) == 0x80) k--;
    memcpy(field, s, k);
    memcpy(field + k, "...", 4);
}

/* Text for people: what was understood, else what was found. */
static void receipt_field(char *field, size_t size, const struct candidate *c, const struct node *n)
{
    struct str s;
    str_init(&s, 4000);
    if (n)
        node_print(n, &s);
    else
        str_add(&s, c->p, c->n < 4000 ? c->n : 3999);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < ' ') s.p[i] = ' ';
    struct str valid;
    str_init(&valid, 8000);
    utf8_clean(&valid, s.p, s.len);
    cut_to(field, size, valid.p, valid.len);
    str_release(&valid);
    str_release(&s);
}

/* ---- showing ------------------------------------------------------------------------------------------ */

static bool same_bytes(const struct candidate *a, const struct candidate *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

/* The same bytes, read as the same. */
static bool same_reading(const struct reading *r, const struct candidate *c, const struct node *n)
{
    bool same = r->node && n ? node_same(r->node, n) : r->node == n;
    return same && same_bytes(r->from, c);
}

/* A place that was read as n, or not at all. True where the same words, read as the same, were shown before:
 * then nothing of it is shown again. */
static bool place_show(struct trial *t, const char *what, const struct candidate *c, struct node *n,
                       const char *why)
{
    struct explain *x = t->w.explain;
    if (!x) return false;
    for (int i = 0; i < t->n_shown; i++)
        if (same_reading(&t->shown[i], c, n)) return true;
    if (t->n_shown < CANDIDATES_MAX) t->shown[t->n_shown++] = (struct reading){c, n};
    explain_line(x, what, "%.*s", (int)c->n, c->p);
    explain_line(x, "  found", "%s (%s)", c->rule, c->style == STYLE_LATEX ? "LaTeX" : "plain text");
    if (n) {
        explain_node(x, "  read as", t->parsed);
        explain_tree(x, "  tree", t->parsed);
        if (!node_same(n, t->parsed)) explain_node(x, "  becomes", n);
    } else {
        explain_line(x, "  not read", "%s", why);
    }
    return false;
}

/* The places from the i-th on, which nobody looked at. */
static void rest_show(struct trial *t, const struct finder *f, int i, const char *why)
{
    for (; t->w.explain && i < f->count; i++) {
        const struct candidate *c = &f->found[i];
        bool again = false;
        for (int k = 0; k < t->n_shown; k++) again = again || same_bytes(t->shown[k].from, c);
        if (!again)
            explain_line(t->w.explain, "passed", "%.*s (%s): %s", (int)(c->n < 100 ? c->n : 100), c->p,
                         c->rule, why);
    }
}

/* What is searched, and for what. */
static void search_show(struct trial *t, const char *answer)
{
    static const char *const wants[] = {"a formula, list or relation", "a number", "words",
                                        "the letter of a choice"};
    struct explain *x = t->w.explain;
    if (!x) return;
    explain_line(x, "asked for", "%s", wants[t->answer.want]);
    if (t->answer.text && t->answer.n < strlen(answer))
        explain_line(x, "searched",
                     "%zu of %zu bytes: what stands behind the reasoning, before marks of a chat",
                     t->answer.n, strlen(answer));
    if (t->answer.count == 0) explain_line(x, "answer", "none: %s", t->answer.none);
    t->n_shown = 0;
}

/* Open-R1 pays for valid LaTeX alone: \frac and \sqrt need their braces. */
static bool braces_kept(const char *s, size_t n)
{
    for (size_t i = 0; i + 5 < n; i++) {
        if (s[i] != '\\') continue;
        size_t k = strncmp(s + i + 1, "frac", 4) == 0 || strncmp(s + i + 1, "sqrt", 4) == 0     ? 5
                   : strncmp(s + i + 1, "dfrac", 5) == 0 || strncmp(s + i + 1, "tfrac", 5) == 0 ? 6
                                                                                                : 0;
        if (k && i + k < n && s[i + k] != '{' && s[i + k] != '[') return false;
    }
    return true;
}

/* twelve, one hundred and five as a number; else the words as they are. */
static struct node *number_spelled(struct trial *t, struct node *words)
{
    fmpq_t value;
    size_t n = strlen(words->name);
    fmpq_init(value);
    size_t used = number_words(words->name, n, value);
    struct node *out = used && used == n ? node_num(&t->w, value) : words;
    fmpq_clear(value);
    return out;
}

/* A number that was written among words, \text{5 apples}; else the words as they are. */
static struct node *number_in_words(struct trial *t, struct node *words)
{
    const char *s = words->name, *why;
    size_t number = strspn(s, "0123456789.,"), unit = strspn(s + number, " ");
    const char *name = s + number + unit;
    struct node *all = number ? math_parse(&t->w, s, strlen(s), STYLE_PLAIN, &why) : NULL;
    if (all && all->kind == K_UNIT) return all; /* 1 hour 30 minutes */
    if (t->w.over) return NULL;
    if (!number || !unit || !isalpha((unsigned char)*name) || strpbrk(name, " 0123456789")) return words;
    struct node *n = math_parse(&t->w, s, number, STYLE_PLAIN, &why);
    if (!n || n->kind != K_NUM) return t->w.over ? NULL : words;
    return node_named(&t->w, K_UNIT, work_text(&t->w, name, strlen(name)), &n, 1);
}

/* 1/2 or 0.5, 12 minutes or 720 seconds: two values that agree are one, others a list. */
static struct node *restated(struct trial *t, struct node *n)
{
    if (n->kind != K_SEQ || n->op || n->n != 2 || n->rows != 'o') return n;
    bool units = n->arg[0]->kind == K_UNIT && n->arg[1]->kind == K_UNIT;
    bool same = compare_nodes(&t->j, n->arg[0], n->arg[1]) == YES ||
                (!units && node_has_decimal(n->arg[1]) && rounds_to(&t->j, n->arg[0], n->arg[1]));
    static const char sign[] = {R_APPROX, 0};
    return same ? node_named(&t->w, K_REL, sign, n->arg, 2) : n;
}

/* 2x = 6 \Rightarrow x = 3, x \mapsto 2x: the value that an answer's derivation ends in. An arrow to a mere
 * name (p \to q) derives none, nor does one that points back, nor any beside a gold that has arrows. */
static struct node *derived(const struct trial *t, struct node *n)
{
    const struct node *gold = t->n_readings ? t->reading[0].node : NULL;
    if (!n || !t->answer.text || !is_arrow(n) || (gold && is_arrow(gold))) return n;
    int last = n->name[n->n - 2];
    struct node *end = n->arg[n->n - 1];
    return end->kind == K_SYM || last == R_IMPLIED || last == R_FROM ? n : end;
}

static struct node *read_candidate(struct trial *t, const struct candidate *c, const char **why)
{
    /* An answer in plain text that is mere words goes on to be looked through; one run of letters is a
     * product where the gold is a formula. */
    bool words_asked = t->n_readings == 0 || !t->reading[0].node || t->reading[0].node->kind == K_TEXT;
    bool looked_at = c->box || t->answer.text == NULL;
    struct node *n;
    if (looked_at && (words_asked || memchr(c->p, ' ', c->n)) && is_wording(c->p, c->n)) {
        n = node_named(&t->w, K_TEXT, work_text(&t->w, c->p, c->n), NULL, 0);
    } else {
        n = math_parse(&t->w, c->p, c->n, c->style, why);
        if (!n && !t->w.over && c->style == STYLE_LATEX && c->box)
            n = math_parse(&t->w, c->p, c->n, STYLE_PLAIN, why);
    }
    if (n && n->kind == K_TEXT && !t->w.p->text_exact) n = number_spelled(t, n);
    if (n && n->kind == K_TEXT && !words_asked && !t->w.p->text_exact) n = number_in_words(t, n);
    n = derived(t, n);
    if (n) n = restated(t, n);
    if (n && c->percent && !c->box && n->kind != K_PERCENT) n = node_1(&t->w, K_PERCENT, 0, n);
    if (n && c->relation) {
        char sign[] = {(char)c->relation, 0};
        n = node_named(&t->w, K_REL, sign, (struct node *[]){node_sym(&t->w, UNNAMED), n}, 2);
    }
    t->parsed = n;
    return n && !t->w.over ? expand(&t->w, n) : NULL;
}

static bool is_closed_number(const struct node *n)
{
    struct names names = {0};
    if (!n || !is_expression(n)) return false;
    names_free_in(n, &names);
    return names.n == 0;
}

static void settle(struct trial *t, enum verdict v, const char *reason)
{
    t->out->verdict = v;
    cut_to(t->out->reason, sizeof t->out->reason, reason, strlen(reason));
}

/* ---- the gold ----------------------------------------------------------------------------------------- */

/* The same but for blanks and markup that changes nothing. */
static bool same_text(const struct candidate *a, const struct candidate *b)
{
    struct str x, y;
    if (a->relation != b->relation) return false;
    if (a->n == b->n && a->percent == b->percent && memcmp(a->p, b->p, a->n) == 0) return true;
    str_init(&x, FORMULA_BYTES_MAX * 2);
    str_init(&y, FORMULA_BYTES_MAX * 2);
    clean_text(a->p, a->n, &x);
    clean_text(b->p, b->n, &y);
    bool same = x.len > 0 && x.len == y.len && memcmp(x.p, y.p, x.len) == 0 && !x.full && !y.full &&
                a->percent == b->percent;
    str_release(&x);
    str_release(&y);
    return same;
}

/* The letters of a choice that this gold is: alone, or with commas between. */
static unsigned gold_choice(const struct candidate *c)
{
    bool alone;
    unsigned set = choice_at(c->p, c->n, &alone);
    return alone ? set : 0;
}

static void read_gold(struct trial *t)
{
    const char *why = NULL;
    int i = 0;
    for (; i < t->gold.count && t->n_readings < READINGS_MAX; i++) {
        const struct candidate *c = &t->gold.found[i];
        const struct candidate *first = t->n_readings ? t->reading[0].from : c;
        /* Another reading counts only where it is of the same words. */
        bool other = c != first && (c->p != first->p || c->n != first->n);
        if (other && t->reading[0].node) break;
        struct node *n = read_candidate(t, c, &why);
        place_show(t, "gold", c, n, why);
        if (other && !n) continue;
        if (other) t->n_readings = 0;
        if (!n && t->n_readings && t->reading[0].node) continue;
        if (n && t->n_readings && !t->reading[0].node) t->n_readings = 0;
        bool again = false; /* in another style, with the same result */
        for (int k = 0; k < t->n_readings; k++) again = again || same_reading(&t->reading[k], c, n);
        if (!again) t->reading[t->n_readings++] = (struct reading){c, n};
        if (i == 0) t->choice = gold_choice(c);
    }
    rest_show(t, &t->gold, i, "what stands before it is the gold");
    if (t->n_readings)
        receipt_field(t->out->gold, sizeof t->out->gold, t->reading[0].from, t->reading[0].node);
}

/* ---- the answer --------------------------------------------------------------------------------------- */

/* The variables of a under the names of g, in every order: strict = false. */
static enum truth renamed_same(struct trial *t, struct node *g, struct node *a)
{
    struct names x = {0}, y = {0};
    names_free_in(g, &x);
    names_free_in(a, &y);
    if (x.n != y.n || x.n == 0 || x.n > 4 || x.many || y.many) return NO;
    int order[4] = {0};
    for (;;) { /* all maps that are permutations */
        bool distinct = true;
        for (int i = 0; i < x.n; i++)
            for (int k = 0; k < i; k++) distinct = distinct && order[i] != order[k];
        struct node *moved = a;
        char name[16];
        for (int i = 0; distinct && i < x.n && moved; i++) {
            snprintf(name, sizeof name, "#%d", i);
            moved = node_replace(&t->w, moved, y.name[i], node_sym(&t->w, name));
        }
        for (int i = 0; distinct && i < x.n && moved; i++) {
            snprintf(name, sizeof name, "#%d", i);
            moved = node_replace(&t->w, moved, name, node_sym(&t->w, x.name[order[i]]));
        }
        if (distinct && moved && compare_nodes(&t->j, g, moved) == YES) return YES;
        int k = 0;
        while (k < x.n && ++order[k] == x.n) order[k++] = 0;
        if (k == x.n) return NO;
    }
}

/* The unknown that a bound leaves out (at least 12) is the one of the other side. */
static struct node *unknown_named(struct trial *t, struct node *n, const struct node *other)
{
    struct names names = {0};
    if (!n || !other || other->kind != K_REL || !node_uses(n, UNNAMED)) return n;
    names_free_in(other, &names);
    return names.n == 1 ? node_replace(&t->w, n, UNNAMED, node_sym(&t->w, names.name[0])) : n;
}

static enum truth compare_reading(struct trial *t, const struct reading *r, const struct candidate *c,
                                  struct node *n)
{
    t->j.rests = 0;
    if (same_text(r->from, c)) {
        judge_say(&t->j, "the same text");
        explain_line(t->w.explain, "compare", "as text, blanks and markup aside: the same");
        return YES;
    }
    if (r->node && !n && !memchr(c->p, '\\', c->n)) {
        /* words, where the gold may be words too: yes, no solution */
        char *words = work_text(&t->w, c->p, c->n);
        struct node *text = node_named(&t->w, K_TEXT, words, NULL, 0);
        return text ? compare_nodes(&t->j, r->node, text) : UNKNOWN;
    }
    if (!r->node || !n) {
        struct str x, y;
        str_init(&x, 4000);
        str_init(&y, 4000);
        str_add(&x, r->from->p, r->from->n);
        str_add(&y, c->p, c->n);
        bool no_words = memchr(x.p, '\\', x.len) || memchr(y.p, '\\', y.len) || x.full || y.full;
        enum truth same = no_words ? NO : text_same(&t->j, x.p, y.p);
        str_release(&x);
        str_release(&y);
        return same;
    }
    struct node *gold = unknown_named(t, r->node, n);
    n = unknown_named(t, n, gold);
    if (!gold || !n) return UNKNOWN;
    struct node *left = t->w.p->swapped ? n : gold, *right = left == n ? gold : n;
    struct pair_shown before = explain_compare(&t->j, left, right);
    enum truth v = explain_result(&t->j, before, compare_nodes(&t->j, left, right));
    if (v == NO && !t->w.p->strict && renamed_same(t, gold, n) == YES) {
        judge_say(&t->j, "equal after renaming variables");
        return YES;
    }
    return v;
}

/* The gold as it was given, letter for letter, whatever can be made of it? */
static bool is_gold_text(const struct finder *gold, const struct candidate *c)
{
    const char *s = gold->text;
    size_t n = gold->n;
    while (n && isspace((unsigned char)*s)) s++, n--;
    while (n && isspace((unsigned char)s[n - 1])) n--;
    if (n > 2 && s[0] == '$' && s[n - 1] == '$') s++, n -= 2;
    return c->box && !c->relation && n == c->n && memcmp(s, c->p, n) == 0;
}

/* 2e-3: in LaTeX 2 e - 3; but it may also be 0.002 as computers write it. */
static bool is_computer_number(const struct candidate *c)
{
    struct str s;
    str_init(&s, 64);
    str_add(&s, c->p, c->n < 64 ? c->n : 63);
    const char *e = s.p + strspn(s.p, "-0123456789.");
    size_t sign = *e ? strspn(e + 1, "-+") : 0, digits = *e == 'e' ? strspn(e + 1 + sign, "0123456789") : 0;
    bool number = e > s.p && digits && sign < 2 && !e[1 + sign + digits];
    str_release(&s);
    return c->box && number;
}

static void choice_show(struct trial *t, unsigned letters)
{
    char side[2][11] = {"", ""};
    for (int i = 0, n[2] = {0}; i < 10; i++)
        for (int k = 0; k < 2; k++)
            if ((k ? letters : t->choice) & 1u << i) side[k][n[k]++] = (char)('A' + i);
    explain_line(t->w.explain, "compare", "choice %s  with  choice %s", side[0], side[1]);
}

/* YES, NO, UNKNOWN of one place. */
static enum truth judge_candidate(struct trial *t, const struct candidate *c, struct node *n)
{
    enum truth best = NO;
    bool alone;
    unsigned letters = t->choice ? choice_at(c->p, c->n, &alone) : 0;
    t->j.rests = 0;
    if (is_gold_text(&t->gold, c)) {
        explain_line(t->w.explain, "compare", "as text, letter for letter: the same");
        judge_say(&t->j, "the same text");
        return YES;
    }
    if (letters) {
        choice_show(t, letters);
        judge_say(&t->j, letters == t->choice ? "the same choice" : "another choice");
        return letters == t->choice ? YES : NO;
    }
    for (int i = 0; i < t->n_readings && best != YES; i++) {
        enum truth v = compare_reading(t, &t->reading[i], c, n);
        if (v != NO) best = v;
    }
    return best;
}

/* Is this open formula passed over for what stands further on, because a number is asked for? */
static bool passed_over(struct trial *t, const struct candidate *c, struct node *n, int i)
{
    struct names names = {0};
    bool is_open = n->kind == K_SEQ && n->op == 0;
    for (int k = 0; is_open && k < n->n; k++) is_open = n->arg[k]->kind != K_REL;
    if (c->box || i + 1 >= t->answer.count || !is_closed_number(t->reading[0].node) ||
        !(is_expression(n) || is_open))
        return false;
    if (t->reading[0].node->kind == K_UNIT && is_unit_product(&t->w, n)) return false; /* 10 m/s */
    names_free_in(n, &names);
    return names.n > 0;
}

static void judge_answer(struct trial *t)
{
    const char *why = "";
    bool word_gold = !t->reading[0].node || t->reading[0].node->kind == K_TEXT;
    for (int i = 0; i < t->answer.count; i++) {
        const struct candidate *c = &t->answer.found[i];
        bool valid = !t->w.p->upstream || braces_kept(c->p, c->n);
        struct node *n = valid ? read_candidate(t, c, &why) : NULL;
        if (!valid) why = "\\frac or \\sqrt without braces";
        bool again = place_show(t, "answer", c, n, why);
        if (n && passed_over(t, c, n, i)) {
            explain_line(t->w.explain, "  passed", "an open formula, and a number is asked for");
            continue;
        }
        receipt_field(t->out->answer, sizeof t->out->answer, c, n);
        t->explain.hidden += again;
        enum truth v = valid ? judge_candidate(t, c, n) : NO;
        /* A percent sign behind a box may belong to the answer or to the sentence. */
        if (v == NO && n && c->box && c->percent) v = judge_candidate(t, c, node_1(&t->w, K_PERCENT, 0, n));
        if (v == NO && n && is_computer_number(c))
            v = judge_candidate(t, c, math_parse(&t->w, c->p, c->n, STYLE_PLAIN, &why));
        t->explain.hidden -= again;
        if (t->w.over && v != YES) {
            settle(t, VERDICT_UNDECIDED, t->w.over);
            return;
        }
        if (v == YES || n || t->w.p->first_match || (word_gold && c->box)) {
            enum verdict verdict = v == YES ? VERDICT_CORRECT : v == NO ? VERDICT_WRONG : VERDICT_UNDECIDED;
            if (v == NO && !n && !t->choice) judge_say(&t->j, "%s", word_gold ? "different words" : why);
            rest_show(t, &t->answer, i + 1, "what stands before it decided");
            settle(t, verdict, t->j.reason[0] ? t->j.reason : "nothing decided");
            return;
        }
    }
    if (t->answer.count == 0) {
        settle(t, VERDICT_WRONG, t->answer.none);
    } else {
        char reason[200];
        snprintf(reason, sizeof reason, "the answer could not be read: %s", t->w.over ? t->w.over : why);
        settle(t, t->w.over ? VERDICT_UNDECIDED : VERDICT_WRONG,
               t->w.over || !word_gold ? reason : "different words");
    }
}

static enum want wanted(const struct trial *t)
{
    const struct node *n = t->n_readings ? t->reading[0].node : NULL;
    if (t->choice && t->w.p->choice) return WANT_CHOICE;
    if (is_closed_number(n)) return WANT_NUMBER;
    return !n || n->kind == K_TEXT ? WANT_TEXT : WANT_ANY;
}

static void judge_all(struct trial *t, const char *gold, const char *answer)
{
    find_answers(&t->gold, gold, true);
    if (t->gold.count == 0) {
        settle(t, VERDICT_UNDECIDED, t->gold.text && t->gold.n == 0 ? "the gold is empty" : t->gold.none);
        return;
    }
    read_gold(t);
    if (t->n_readings == 0 || t->w.over) {
        const struct candidate *c = &t->gold.found[0];
        struct candidate whole = {.p = answer, .n = strlen(answer)};
        bool same = same_text(c, &whole);
        settle(t, same ? VERDICT_CORRECT : VERDICT_UNDECIDED,
               same        ? "the same text"
               : t->w.over ? t->w.over
                           : "the gold could not be read");
        return;
    }
    t->answer.want = wanted(t);
    t->answer.pair = truth_pair(t->reading[0].from->p, t->reading[0].from->n);
    find_answers(&t->answer, answer, false);
    search_show(t, answer);
    judge_answer(t);
    /* A gold that is a formula nobody can read says nothing about another formula. */
    const struct candidate *c = t->reading[0].from;
    if (!t->reading[0].node && t->out->verdict == VERDICT_WRONG && memchr(c->p, '\\', c->n) &&
        t->answer.count)
        settle(t, VERDICT_UNDECIDED, "the gold could not be read as a formula");
}

void verify_explain(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out,
                    struct str *steps)
{
    struct verify_params standard = verify_defaults(EXTRACT_ANY);
    struct trial t = {.out = out};
    if (!p) p = &standard;
    memset(out, 0, sizeof *out);
    work_init(&t.w, p);
    t.j = (struct judge){.w = &t.w};
    t.explain = (struct explain){.out = steps, .from = steps ? steps->len : 0};
    t.w.explain = steps ? &t.explain : NULL;
    t.gold.w = t.answer.w = &t.w;
    t.gold.p = t.answer.p = p;
    judge_all(&t, gold, answer);
    explain_verdict(&t.j, out);
    finder_release(&t.gold);
    finder_release(&t.answer);
    work_release(&t.w);
}

void verify_math(const char *gold, const char *answer, const struct verify_params *p, struct receipt *out)
{
    verify_explain(gold, answer, p, out, NULL);
}

static void *number_again(void *p, size_t old, size_t bytes)
{
    (void)old;
    return alloc_again(p, bytes);
}

static void number_free(void *p, size_t bytes)
{
    (void)bytes;
    free(p);
}

void verify_memory_start(void)
{
    __flint_set_memory_functions(alloc_or_die, alloc_zero, alloc_again, free);
    mp_set_memory_functions(alloc_or_die, number_again, number_free);
}

bool extract_answer(const char *text, enum extract_mode mode, char *out, size_t size, const char **rule)
{
    struct verify_params p = verify_defaults(mode);
    struct work w;
    work_init(&w, &p);
    struct finder f = {.w = &w, .p = &p, .want = WANT_ANY};
    find_answers(&f, text, false);
    if (f.count) cut_to(out, size, f.found[0].p, f.found[0].n);
    if (rule) *rule = f.count ? f.found[0].rule : f.none;
    bool found = f.count > 0;
    finder_release(&f);
    work_release(&w);
    return found;
}
