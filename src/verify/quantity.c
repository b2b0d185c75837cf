/* quantity.c: values with units. Two known units are compared by dimension and exact size; a unit on one side
 * alone, and words that are no unit, say nothing about a number.
 *
 * A temperature converts with the zero of its scale; degrees and radians by pi; a time of day (12:30 p.m.)
 * is met by the same hand on a dial, unless the halves of the day are named, or told by the hour, and differ.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "verify/compare_int.h"

#define WORDS_SIZE     256
#define SYMBOL_LETTERS 3

struct quantity {
    struct node *value;
    char words[WORDS_SIZE]; /* empty: a bare value */
    bool known;             /* a unit */
};

static bool is_known(const char *words)
{
    struct unit u;
    bool known = unit_read(words, false, &u);
    unit_release(&u);
    return known;
}

/* The value, and the innermost unit that is known; else the words that stand outside. */
static void quantity_of(struct node *n, struct quantity *q)
{
    char words[WORDS_SIZE];
    *q = (struct quantity){.value = n};
    for (; n->kind == K_UNIT || n->kind == K_DEGREE; n = n->arg[0]) {
        bool degrees = n->kind == K_UNIT && n->arg[0]->kind == K_DEGREE; /* 5^\circ \text{C} */
        const char *unit = n->kind == K_UNIT ? n->name : "degrees";
        snprintf(words, sizeof words, "%s%s", degrees ? "degrees " : "", unit);
        bool known = is_known(words);
        if (known || !q->words[0]) memcpy(q->words, words, sizeof words);
        q->known = q->known || known;
        q->value = n->arg[0];
        if (degrees && known) {
            q->value = n->arg[0]->arg[0];
            return;
        }
    }
}

/* ---- times of the day ---------------------------------------------------------------------------------- */

char half_of_day(const char *words)
{
    char letters[4] = {0};
    size_t k = 0;
    for (; *words; words++) {
        if (strchr(" .", *words)) continue;
        if (k == 2) return 0;
        letters[k++] = (char)tolower((unsigned char)*words);
    }
    return (letters[0] == 'a' || letters[0] == 'p') && letters[1] == 'm' ? letters[0] : 0;
}

/* Minutes since midnight of 3:30, or 3, in its half of the day, which the hours 0 and 13 to 24 name. -1: it
 * is no time. */
static long clock_minutes(struct judge *j, const struct node *n, char *half)
{
    fmpz_t h, m;
    long out = -1;
    bool colon = n->kind == K_RATIO && n->n == 2;
    fmpz_init(h);
    fmpz_init(m);
    bool good = exact_integer(j->w, colon ? n->arg[0] : n, h);
    good = good && (!colon || exact_integer(j->w, n->arg[1], m));
    if (good && fmpz_sgn(h) >= 0 && fmpz_cmp_ui(h, *half ? 12 : 24) <= 0 && fmpz_sgn(m) >= 0 &&
        fmpz_cmp_ui(m, 60) < 0) {
        long hours = fmpz_get_si(h);
        if (*half) hours = hours % 12 + (*half == 'p' ? 12 : 0);
        if (!*half && (hours == 0 || hours > 12)) *half = hours % 24 < 12 ? 'a' : 'p';
        out = hours % 24 * 60 + fmpz_get_si(m);
    }
    fmpz_clear(h);
    fmpz_clear(m);
    return out;
}

static enum truth clock_same(struct judge *j, const struct quantity *g, const struct quantity *a)
{
    char half_g = half_of_day(g->words), half_a = half_of_day(a->words);
    long x = clock_minutes(j, g->value, &half_g), y = clock_minutes(j, a->value, &half_a);
    bool dial = !half_g || !half_a; /* one is not told apart: the hands decide */
    bool same = x >= 0 && y >= 0 && (x == y || (dial && x % 720 == y % 720));
    judge_say(j, same ? "the same time of the day" : "another time of the day");
    return same ? YES : NO;
}

/* ---- units --------------------------------------------------------------------------------------------- */

static struct node *times(struct judge *j, struct node *n, const fmpq_t factor)
{
    return fmpq_is_one(factor) ? n : node_2(j->w, K_MUL, 0, n, node_num(j->w, factor));
}

/* x of unit u in unit v: (zero_u + factor_u x - zero_v) / factor_v, times (180/pi) for each radian more. */
static struct node *converted(struct judge *j, struct node *x, const struct unit *u, const struct unit *v)
{
    fmpq_t f, zero;
    fmpq_init(f);
    fmpq_init(zero);
    fmpq_div(f, u->factor, v->factor);
    struct node *out = times(j, x, f);
    fmpq_sub(zero, u->zero_at, v->zero_at);
    fmpq_div(zero, zero, v->factor);
    if (!fmpq_is_zero(zero)) out = node_2(j->w, K_ADD, 0, out, node_num(j->w, zero));
    struct node *half_turn = node_2(j->w, K_DIV, 0, node_int(j->w, 180), node_const(j->w, C_PI));
    for (int k = u->half_turns; k > v->half_turns; k--) out = node_2(j->w, K_MUL, 0, out, half_turn);
    for (int k = u->half_turns; k < v->half_turns; k++) out = node_2(j->w, K_DIV, 0, out, half_turn);
    fmpq_clear(f);
    fmpq_clear(zero);
    return out;
}

/* In one meaning of the words each. */
static enum truth measured_same(struct judge *j, const struct quantity *g, const struct quantity *a,
                                const struct unit *u, const struct unit *v)
{
    bool any_scale = (u->degrees && v->scale) || (v->degrees && u->scale); /* 5 degrees, 5 degrees C */
    if (any_scale) return compare_values(j, g->value, a->value);
    if (memcmp(u->power, v->power, sizeof u->power) != 0) {
        judge_say(j, "the units measure different things");
        return NO;
    }
    struct node *x = converted(j, g->value, u, v);
    enum truth t = x ? compare_values(j, x, a->value) : UNKNOWN;
    if (t == NO && x != g->value) judge_say(j, "different after conversion to one unit");
    return t;
}

/* The letters of a symbol, of which a unit has up to three; without the s of a plural. 0: it is none. */
static size_t symbol_letters(const char **words)
{
    const char *s = *words + strspn(*words, " .");
    size_t n = 0;
    while (isalpha((unsigned char)s[n])) n++;
    *words = s;
    if (n > SYMBOL_LETTERS || s[n + strspn(s + n, " .")]) return 0;
    return n > 1 && s[n - 1] == 's' ? n - 1 : n;
}

/* rpm and Hz, lx and lm: symbols measure what they say even where nothing is known of them; words count. */
static bool symbols_differ(const char *g, const char *a)
{
    size_t n = symbol_letters(&g), m = symbol_letters(&a);
    return n && m && (n != m || strncasecmp(g, a, n) != 0);
}

static enum truth units_same(struct judge *j, const struct quantity *g, const struct quantity *a)
{
    enum truth t = NO;
    for (int meaning = 0; meaning < 4 && t != YES; meaning++) {
        struct unit u, v;
        bool known = unit_read(g->words, meaning & 1, &u);
        known = unit_read(a->words, meaning >> 1, &v) && known;
        bool another = !((meaning & 1) && !u.two_meanings) && !((meaning >> 1) && !v.two_meanings);
        if (known && another) t = measured_same(j, g, a, &u, &v);
        unit_release(&u);
        unit_release(&v);
    }
    return t;
}

/* 90 degrees is 90, and pi/2. */
static enum truth degrees_same(struct judge *j, struct node *degrees, struct node *bare, bool bare_is_gold)
{
    struct node *x = node_2(j->w, K_DIV, 0, node_2(j->w, K_MUL, 0, degrees, node_const(j->w, C_PI)),
                            node_int(j->w, 180));
    if (!x) return UNKNOWN;
    return bare_is_gold ? compare_values(j, bare, x) : compare_values(j, x, bare);
}

/* pi/2, arctan 2: numbers that measure an angle. */
static bool is_in_radians(const struct node *n)
{
    for (int f = F_ASIN; f <= F_ACSC; f++)
        if (node_has_fn(n, f)) return true;
    return node_has_const(n, C_PI);
}

static bool is_open(const struct node *n)
{
    struct names names = {0};
    if (!is_expression(n)) return false;
    names_free_in(n, &names);
    return names.n > 0;
}

static bool is_degrees(const struct quantity *q)
{
    struct unit u;
    bool degrees = q->known && unit_read(q->words, false, &u) && u.degrees;
    if (q->known) unit_release(&u);
    return degrees;
}

/* ---- letters ------------------------------------------------------------------------------------------- */

/* The letters of a product that are symbols of units, as words with their powers; the rest as its value. */
static bool letters_of(struct work *w, struct node *n, long power, struct str *words, struct node **value)
{
    switch ((enum kind)n->kind) {
    case K_MUL:
        for (int i = 0; i < n->n; i++)
            if (!letters_of(w, n->arg[i], power, words, value)) return false;
        return true;
    case K_DIV:
        return letters_of(w, n->arg[0], power, words, value) &&
               letters_of(w, n->arg[1], -power, words, value);
    case K_POW:
        if (n->arg[0]->kind == K_SYM && n->arg[1]->kind == K_NUM)
            for (long k = 2; k < 4; k++)
                if (node_is_int(n->arg[1], k)) return letters_of(w, n->arg[0], power * k, words, value);
        return false;
    case K_SYM:
        if (n->name[1] || !unit_letter_known(n->name)) return false;
        str_addf(words, "%s^%ld ", n->name, power);
        return true;
    case K_NUM:
        *value = power == 1 ? node_2(w, K_MUL, 0, *value, n) : node_2(w, K_DIV, 0, *value, n);
        return *value != NULL;
    default: return false;
    }
}

/* 10 m/s beside a quantity in words: there the letters are units, and elsewhere variables. */
static bool measured_of(struct work *w, struct node *n, struct quantity *q)
{
    struct str words;
    struct node *value = node_int(w, 1);
    str_init(&words, WORDS_SIZE);
    bool known = value && n->kind != K_NUM && letters_of(w, n, 1, &words, &value) && is_known(words.p);
    if (known) {
        *q = (struct quantity){.value = value, .known = true};
        snprintf(q->words, sizeof q->words, "%s", words.p);
    }
    str_release(&words);
    return known;
}

bool is_unit_product(struct work *w, struct node *n)
{
    struct quantity q;
    return measured_of(w, n, &q);
}

/* ---- bounds -------------------------------------------------------------------------------------------- */

static const char *first_unit(const struct node *n)
{
    const char *words = n->kind == K_UNIT ? n->name : NULL;
    for (int i = 0; i < n->n && !words; i++) words = first_unit(n->arg[i]);
    return words;
}

static struct node *without_units(struct work *w, struct node *n)
{
    if (!n || !node_has(n, K_UNIT)) return n;
    if (n->kind == K_UNIT) return without_units(w, n->arg[0]);
    struct node **args = work_alloc(w, (size_t)n->n * sizeof *args);
    if (!args) return NULL;
    for (int i = 0; i < n->n; i++) args[i] = without_units(w, n->arg[i]);
    return node_with(w, n, args, n->n);
}

bool units_left_out(struct judge *j, struct node **g, struct node **a)
{
    const char *unit_g = first_unit(*g), *unit_a = first_unit(*a);
    if (unit_g && unit_a && text_same(j, unit_g, unit_a) != YES && is_known(unit_g) && is_known(unit_a)) {
        judge_say(j, "bounds in different units");
        return false;
    }
    *g = without_units(j->w, *g);
    *a = without_units(j->w, *a);
    return true;
}

/* ---- any two ------------------------------------------------------------------------------------------- */

enum truth quantity_same(struct judge *j, struct node *g, struct node *a)
{
    struct quantity x, y;
    quantity_of(g, &x);
    quantity_of(a, &y);
    if (x.known && !y.known) measured_of(j->w, a, &y);
    if (y.known && !x.known) measured_of(j->w, g, &x);
    if (half_of_day(x.words) || half_of_day(y.words)) return clock_same(j, &x, &y);
    if (x.known && y.known) return units_same(j, &x, &y);
    if (symbols_differ(x.words, y.words)) {
        judge_say(j, "another unit");
        return NO;
    }
    if (g->kind == K_TEXT || a->kind == K_TEXT) return words_same(j, g, a);
    if (x.words[0] && y.words[0] && (is_open(x.value) || is_open(y.value))) /* n is even, n is odd */
        return compare_values(j, x.value, y.value) == YES ? text_same(j, x.words, y.words) : NO;
    enum truth t = compare_values(j, x.value, y.value);
    bool degrees_g = is_degrees(&x) && !y.words[0], degrees_a = is_degrees(&y) && !x.words[0];
    if (t == YES || !(degrees_g || degrees_a) || !is_expression(x.value) || !is_expression(y.value)) return t;
    if (!is_in_radians(degrees_g ? y.value : x.value)) return t;
    return degrees_g ? degrees_same(j, x.value, y.value, false) : degrees_same(j, y.value, x.value, true);
}
