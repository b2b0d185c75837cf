/* parse_words.c: words beside values, and relations whose left side is left out.
 *
 * Units and what is counted stay with the value (K_UNIT); words that make a bound of it or deny it make a
 * relation of an unknown without a name: "at least 12" is ? >= 12, "not 12" is ? != 12 (phrase.c).
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

bool is_condition_word(const char *s)
{
    static const char *const all[] = {"for",
                                      "where",
                                      "with",
                                      "if",
                                      "when",
                                      "for all",
                                      "for any",
                                      "such that",
                                      "provided",
                                      "provided that",
                                      "for some",
                                      "for every",
                                      "for integer",
                                      "for integers",
                                      "and",
                                      "where n is an integer",
                                      "when n is an integer"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcasecmp(s, all[i]) == 0) return true;
    return false;
}

int relation_negated(int r)
{
    static const int opposite[RELATIONS] = {[R_EQ] = R_NE, [R_NE] = R_EQ, [R_IN] = R_NOTIN, [R_NOTIN] = R_IN,
                                            [R_LT] = R_GE, [R_GT] = R_LE, [R_LE] = R_GT,    [R_GE] = R_LT};
    return r < RELATIONS && opposite[r] ? opposite[r] : r ^ R_NOT;
}

/* ---- words alone --------------------------------------------------------------------------------------- */

bool is_word_run(const char *s, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (tolower((unsigned char)s[i]) < tolower((unsigned char)s[i - 1])) return n >= 3;
    return false;
}

bool is_wording(const char *s, size_t n)
{
    bool word = false;
    for (size_t i = 0; i < n;) {
        size_t k = 0;
        while (i + k < n && isalpha((unsigned char)s[i + k])) k++;
        const struct command *c = k > 1 ? command_find(s + i, k) : NULL;
        bool joins = c && c->kind == T_SEP;
        if ((c && c->bare && !joins) || (k && glued_function(s + i, k))) return false;
        if (!k && !strchr(" ,.'?!-", s[i])) return false;
        word = word || (!joins && is_word_run(s + i, k));
        i += k ? k : 1;
    }
    return word;
}

/* ---- in front ------------------------------------------------------------------------------------------ */

/* \$12 behind other words. */
static bool money_ahead(struct parser *p)
{
    return peek(p)->kind == T_TEXT && p->t[p->at + 1].kind == T_NUM;
}

/* Words that are a sign: \text{negative }5. */
static bool is_minus(const char *words)
{
    size_t blank = strspn(words, " "), n = strcspn(words + blank, " ");
    bool minus = ascii_word_at(words + blank, n, "negative") || ascii_word_at(words + blank, n, "minus");
    return minus && words[blank + n + strspn(words + blank + n, " ")] == 0;
}

int relation_ahead(struct parser *p)
{
    struct token *t = peek(p);
    bool negated = t->kind == T_NOT && t[1].kind == T_REL;
    if (t->kind == T_REL || negated) {
        int r = t[negated].value;
        p->at += negated ? 2 : 1;
        return negated ? relation_negated(r) : r;
    }
    if (t->kind != T_TEXT || is_minus(t->text)) return 0;
    if (is_condition_word(t->text) && !phrase_before(t->text, strlen(t->text))) return 0;
    p->at++;
    bool sign = peek_is(p, T_OP, '-') || peek(p)->kind == T_PM;
    bool value = sign || starts_factor(p) || money_ahead(p);
    int r = value ? phrase_before(t->text, strlen(t->text)) : 0;
    if (r == R_OTHER) parse_fail(p, "words that change the value stand before it");
    if (r == 0 && !sign) p->at--; /* mere words: parse_text reads them */
    return r;
}

struct node *parse_text(struct parser *p)
{
    const char *words = peek(p)->text;
    p->at++;
    struct node *text = node_named(p->w, K_TEXT, words, NULL, 0);
    if (!starts_factor(p) && !money_ahead(p)) return text;
    bool minus = is_minus(words);
    if (!minus && phrase_before(words, strlen(words)))
        return parse_fail(p, "words that change the value stand before it");
    struct node *value = parse_factor(p);
    if (minus) return node_1(p->w, K_NEG, 0, value);
    return node_named(p->w, K_UNIT, words, &value, 1);
}

/* ---- behind -------------------------------------------------------------------------------------------- */

/* The words behind a value as one line, with their powers and slashes: m/s^2, \text{ cm}^2, square inches. */
static void words_taken(struct parser *p, struct str *words)
{
    while (peek(p)->kind == T_TEXT && !is_condition_word(peek(p)->text)) {
        if (words->len) str_puts(words, " ");
        str_puts(words, peek(p)->text);
        p->at++;
        bool power = peek_is(p, T_OP, '^'), slash = peek_is(p, T_OP, '/') && p->t[p->at + 1].kind == T_TEXT;
        bool dot = peek_is(p, T_OP, '*') && p->t[p->at + 1].kind == T_TEXT;
        if (power) {
            p->at++;
            struct node *e = parse_argument(p, false);
            fmpz_t k;
            fmpz_init(k);
            if (e && exact_integer(p->w, e, k) && fmpz_fits_si(k))
                str_addf(words, "^%ld", (long)fmpz_get_si(k));
            fmpz_clear(k);
            slash = peek_is(p, T_OP, '/') && p->t[p->at + 1].kind == T_TEXT;
        }
        if (slash || dot) {
            str_puts(words, slash ? " /" : " ");
            p->at++;
        }
    }
}

/* 3 million, 2 dozen eggs: the value times the number that its words begin with, which are taken off. */
static struct node *scaled(struct parser *p, struct node *value, char *words)
{
    size_t length, blank = strspn(words, " ");
    long scale;
    while ((scale = scale_word(words + blank, strlen(words + blank), &length))) {
        struct node *in = value->kind == K_UNIT ? value->arg[0] : value; /* \$3 million */
        in = node_2(p->w, K_MUL, 0, in, node_int(p->w, scale));
        value = value->kind == K_UNIT ? node_with(p->w, value, &in, 1) : in;
        if (!value) return NULL;
        memmove(words, words + blank + length, strlen(words + blank + length) + 1);
        blank = strspn(words, " ");
    }
    return value;
}

static bool is_unit(const char *words)
{
    struct unit u;
    bool known = unit_read(words, false, &u);
    unit_release(&u);
    return known;
}

/* 1 hour 30 minutes: quantities of one kind, each of a smaller unit than the one before, are one, in the last
 * unit. A comma, or "and", would make a list of them. */
static struct node *compound(struct parser *p, struct node *first)
{
    while (first && first->kind == K_UNIT && first->arg[0]->kind != K_NEG) {
        int save = p->at;
        struct str words;
        struct node *next = peek(p)->kind == T_NUM ? parse_factor(p) : NULL;
        if (!next || peek(p)->kind != T_TEXT) {
            p->at = save;
            return p->failed ? NULL : first;
        }
        fmpq_t ratio;
        fmpq_init(ratio);
        str_init(&words, 512);
        words_taken(p, &words);
        bool falls = unit_ratio(first->name, words.p, ratio);
        struct node *sum = NULL;
        if (falls) {
            sum = node_2(p->w, K_MUL, 0, first->arg[0], node_num(p->w, ratio));
            sum = node_2(p->w, K_ADD, 0, sum, next);
            sum = node_named(p->w, K_UNIT, words.p, &sum, 1);
        }
        str_release(&words);
        fmpq_clear(ratio);
        if (!falls) {
            p->at = save;
            return first;
        }
        first = sum;
    }
    return first;
}

struct node *parse_units(struct parser *p, struct node *value)
{
    struct str words;
    size_t at, length;
    if (is_condition_word(peek(p)->text)) return value;
    str_init(&words, 512);
    words_taken(p, &words);
    if (words.len) value = scaled(p, value, words.p);
    int r = phrase_behind(words.p, strlen(words.p), &at, &length);
    struct node *out = value;
    if (r == R_OTHER) {
        out = parse_fail(p, "words that change the value stand behind it");
    } else {
        if (r) { /* 12 m or more: the unit stays, apples say nothing */
            memmove(words.p + at, words.p + at + length, strlen(words.p + at + length) + 1);
            p->behind = r;
        }
        bool left = words.p[strspn(words.p, " ")] != 0;
        if (value && left && (!r || is_unit(words.p))) out = node_named(p->w, K_UNIT, words.p, &value, 1);
    }
    str_release(&words);
    if (!r) out = compound(p, out);
    if (out && starts_factor(p)) return parse_fail(p, "words stand inside the formula");
    return out;
}
