/* lex_words.c: words in formulas: \text{...}, units behind values, "and", "for all". */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

#define INTERVAL_TOKENS 200 /* of one interval */

/* Words without LaTeX's marks: \textbf{(B)\ } is "(B)". */
static char *words_of(struct work *w, const char *s, size_t n)
{
    char *out = work_alloc(w, n + 1);
    size_t k = 0;
    if (!out) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n && s[i + 1] == '%') {
            out[k++] = s[++i];
        } else if (s[i] == '\\') {
            size_t from = i + 1;
            while (from < n && isalpha((unsigned char)s[from])) from++;
            i = from == i + 1 ? i + 1 : from - 1;
            if (k && out[k - 1] != ' ') out[k++] = ' ';
        } else if (s[i] != '{' && s[i] != '}' && s[i] != '$') {
            bool blank = isspace((unsigned char)s[i]) || s[i] == '~';
            if (blank && (k == 0 || out[k - 1] == ' ')) continue;
            out[k++] = blank ? ' ' : s[i];
        }
    }
    while (k && out[k - 1] == ' ') k--;
    out[k] = 0;
    return out;
}

bool follows_value(const struct parser *p)
{
    if (!p->n) return false;
    const struct token *t = &p->t[p->n - 1];
    return t->kind == T_NUM || t->kind == T_CONST || t->kind == T_DEGREE || t->kind == T_CLOSE;
}

/* ---- units --------------------------------------------------------------------------------------------- */

static bool is_op(const struct token *t, int value)
{
    return t->kind == T_OP && t->value == value;
}

/* Behind a value, or behind units with their powers, slashes and points: cm^{2} \cdot */
static bool follows_measure(const struct parser *p)
{
    int i = p->n - 1;
    if (follows_value(p)) return true;
    if (i >= 0 && (is_op(&p->t[i], '/') || is_op(&p->t[i], '*'))) i--;
    int power = i - (i >= 0 && p->t[i].kind == T_CLOSE);
    if (power > 2 && p->t[power].kind == T_NUM) {
        power--;
        if (is_op(&p->t[power], '-')) power--;
        if (p->t[power].kind == T_OPEN) power--;
        if (is_op(&p->t[power], '^')) i = power - 1;
    }
    return i >= 0 && p->t[i].kind == T_TEXT;
}

/* Behind blanks, typed or set by commands. */
static size_t spaces(const struct lexer *l, size_t at)
{
    for (;;) {
        size_t next = lex_blanks(l, at), k = 1;
        if (next + 1 >= l->n || l->s[next] != '\\') return next;
        while (next + k < l->n && isalpha((unsigned char)l->s[next + k])) k++;
        if (k == 1) k = 2;
        const struct command *c = command_find(l->s + next + 1, k - 1);
        if (!c || c->kind != T_SKIP || !strchr(" sq", c->value)) return next;
        at = next + k;
    }
}

/* ^2, ^{-1} */
static size_t power_end(const struct lexer *l, size_t at)
{
    if (at >= l->n || l->s[at] != '^') return at;
    size_t k = at + 1 + (at + 1 < l->n && l->s[at + 1] == '{');
    if (k < l->n && l->s[k] == '-') k++;
    if (k >= l->n || !isdigit((unsigned char)l->s[k])) return at;
    return k + 1 + (k + 1 < l->n && l->s[k + 1] == '}');
}

/* Does the argument of a function begin here? Behind \sec it may be a number, behind "sec" that is another
 * quantity. */
static bool argument_at(const struct lexer *l, size_t at, bool command)
{
    at = spaces(l, power_end(l, at));
    if (at >= l->n) return false;
    const char *s = l->s + at;
    size_t k = 0;
    if (strchr("([{|_", *s) || (at + 1 < l->n && memcmp(s, "\\{", 2) == 0)) return true;
    if (isdigit((unsigned char)*s)) return command;
    if (*s != '\\') {
        while (at + k < l->n && isalpha((unsigned char)s[k])) k++;
        const struct command *c = k > 1 ? command_find(s, k) : NULL;
        return k == 1 || (c && c->bare && c->kind != T_SEP);
    }
    while (at + 1 + k < l->n && isalpha((unsigned char)s[1 + k])) k++;
    const struct command *c = k ? command_find(s + 1, k) : NULL;
    return k && (!c || c->kind == T_SYM || c->kind == T_CONST || c->kind == T_FN || c->kind == T_FRAC ||
                 c->kind == T_SQRT || c->kind == T_ACCENT || c->kind == T_OPEN || c->kind == T_BIG);
}

static bool item_ends(const struct lexer *l, size_t at)
{
    at = spaces(l, at);
    return at >= l->n || strchr(",;.)]}=&", l->s[at]) || (l->s[at] == '\\' && l->s[at + 1] == '\\');
}

/* Is the one letter at l->at the symbol of a unit? Between other units (km/h), beside another quantity (2 h
 * 15 min), where a blank that was set parts it from its number (40\,m), and in a quotient of such symbols
 * (40 m/s). Elsewhere it is a variable. */
static bool is_unit_letter(const struct lexer *l)
{
    const struct token *last = &l->p->t[l->p->n - 1];
    const char *s = l->s + l->at;
    size_t end = l->at + 1, next = lex_blanks(l, end), behind = power_end(l, end);
    if (!unit_letter_known(s)) return false;
    if (last->kind == T_OP || (last->kind == T_TEXT && l->s[end] == '^')) return true;
    if (last->kind != T_NUM) return false;
    bool quantity_ahead = next > end && next < l->n && isdigit((unsigned char)l->s[next]);
    bool quantity_before = l->p->n > 1 && last[-1].kind == T_TEXT;
    if (quantity_ahead || quantity_before || (l->spaced && item_ends(l, behind))) return true;
    size_t factor = spaces(l, behind), power = factor + 1; /* m s^{-1} */
    if (factor + 2 < l->n && unit_letter_known(l->s + factor) && l->s[power] == '^')
        return power_end(l, power) > power && memchr(l->s + power, '-', 3) &&
               item_ends(l, power_end(l, power));
    if (behind + 1 >= l->n || l->s[behind] != '/' || !unit_letter_known(l->s + behind + 1)) return false;
    size_t below = behind + 2;
    return !(below < l->n && isalpha((unsigned char)l->s[below])) && item_ends(l, power_end(l, below));
}

/* Words that name a unit: km\,h^{-1}. A lone capital is a name, but for L. */
static bool names_unit(const char *words)
{
    struct unit u;
    if (isupper((unsigned char)words[0]) && !words[1] && words[0] != 'L') return false;
    bool unit = unit_read(words, false, &u);
    unit_release(&u);
    return unit;
}

bool is_unit_here(const struct lexer *l, const char *words, size_t n, size_t end, enum spelling how)
{
    if (!follows_measure(l->p)) return false;
    const struct command *c = command_find(words, n);
    const struct token *last = &l->p->t[l->p->n - 1];
    if (c && c->kind == T_FN && argument_at(l, end, how == SPELLED_COMMAND)) return false;
    if (how == SPELLED_UPRIGHT) return names_unit(words);
    /* in, min, sec mean other things behind what is no mere number */
    bool number = last->kind == T_NUM || last->kind == T_TEXT || last->kind == T_OP;
    if (how == SPELLED_BARE && c && c->bare && !number) return false;
    return n == 1 ? how == SPELLED_BARE && is_unit_letter(l) : unit_word_known(words, n);
}

bool lex_named_function(struct lexer *l, size_t from, size_t to, bool operator)
{
    const char *s = l->s + from;
    size_t n = to - from, k = 0, next = spaces(l, to + 1);
    while (k < n && isalpha((unsigned char)s[k])) k++;
    bool bracket = next < l->n && l->s[next] == '(';
    if (n < 2 || k < n || command_find(s, n) || !(operator ? argument_at(l, to + 1, true) : bracket))
        return false;
    char *words = work_text(l->p->w, s, n);
    bool behind = follows_measure(l->p); /* there a unit stands, or what is counted */
    if (!words || (operator ? behind && names_unit(words)
                            : behind || names_unit(words) || is_condition_word(words) || phrase_before(s, n)))
        return false;
    lex_emit(l, T_FN, F_NONE, words);
    return true;
}

bool lex_unit_fraction(struct lexer *l)
{
    size_t above, above_to, below, below_to;
    if (!follows_value(l->p) || !lex_group(l, l->at, &above, &above_to) ||
        !lex_group(l, above_to + 1, &below, &below_to) || l->s[lex_blanks(l, above)] != '\\' ||
        l->s[lex_blanks(l, below)] != '\\')
        return false;
    char *x = words_of(l->p->w, l->s + above, above_to - above);
    char *y = words_of(l->p->w, l->s + below, below_to - below);
    if (!x || !y || !names_unit(x) || !names_unit(y)) return false;
    size_t size = strlen(x) + strlen(y) + 4;
    char *words = work_alloc(l->p->w, size);
    if (!words) return false;
    snprintf(words, size, "%s / %s", x, y);
    lex_emit(l, T_TEXT, 0, words);
    l->at = below_to + 1;
    return true;
}

bool lex_upright_unit(struct lexer *l, size_t from, size_t to)
{
    if (!follows_measure(l->p)) return false;
    char *words = words_of(l->p->w, l->s + from, to - from);
    if (!words || !is_unit_here(l, words, strlen(words), to + 1, SPELLED_UPRIGHT)) return false;
    lex_emit(l, T_TEXT, 0, words);
    return true;
}

/* 10th, 1^{st}: letters that make an ordinal of the number before them, and say nothing about its value. Of
 * bare letters, which may be variables, only those that fit the last digit do. */
static bool fits_digit(char digit, const char *s)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    return strncmp(s, digit >= '1' && digit <= '3' ? ends[digit - '0'] : "th", 2) == 0;
}

bool is_ordinal(const char *s, size_t n)
{
    static const char *const all[] = {"th", "st", "nd", "rd", NULL};
    return is_among(s, n, all);
}

/* Are these letters what is counted by the value in front: million, apples? */
bool is_counted(const struct lexer *l, const char *s, size_t k)
{
    const struct parser *p = l->p;
    bool text = p->n && p->t[p->n - 1].kind == T_TEXT, value = follows_value(p);
    size_t length;
    if (!text && !value) return false;
    bool ordinal = p->t[p->n - 1].kind == T_NUM && !l->blank && is_ordinal(s, k);
    if (scale_word(s, k, &length) || (ordinal && fits_digit(s[-1], s))) return true;
    bool operator_ahead = l->at + k < l->n && strchr("_^({", s[k]) != NULL; /* bar{x} */
    if (l->prefix || !l->blank || operator_ahead) return false; /* what ends a formula in prose */
    return is_word_run(s, k) || (text && k >= 2);
}

/* ---- separators ---------------------------------------------------------------------------------------- */

static bool is_separator(const char *words)
{
    static const char *const all[] = {"and", "or", ",", ", and", ",and", ", or", "&", "and/or", NULL};
    return is_among(words, strlen(words), all);
}

static bool lex_separator(struct lexer *l, const char *words)
{
    if (!is_separator(words)) return false;
    if (strcmp(words, ",") == 0)
        lex_emit(l, T_COMMA, 0, NULL);
    else
        lex_emit(l, T_SEP, strcasecmp(words, "or") == 0 ? 'o' : 'a', NULL);
    return true;
}

/* (1, 2) U (3, 4): a letter for the sign of union, between two intervals. */
bool joins_intervals(const struct lexer *l, size_t end)
{
    const struct token *t = l->p->t;
    size_t next = lex_blanks(l, end);
    int i = l->p->n - 1, depth = 0, least = i > INTERVAL_TOKENS ? i - INTERVAL_TOKENS : 0;
    bool comma = false;
    if (l->n - next > 5 && memcmp(l->s + next, "\\left", 5) == 0) next += 5;
    bool set = l->n - next > 1 && memcmp(l->s + next, "\\{", 2) == 0;
    if (i < 2 || next >= l->n || (!strchr("([]", l->s[next]) && !set)) return false;
    if (t[i].kind == T_OPEN && t[i].value == '[') return t[i - 1].kind == T_NUM || t[i - 1].kind == T_CONST;
    if (t[i].kind != T_CLOSE) return false;
    do {
        depth += (t[i].kind == T_CLOSE) - (t[i].kind == T_OPEN);
        comma = comma || (depth == 1 && (t[i].kind == T_COMMA || t[i].kind == T_SEMI));
    } while (depth > 0 && --i >= least);
    return depth == 0 && comma;
}

/* "cm and": a unit, and what joins the next value. */
static bool lex_unit_and(struct lexer *l, char *words)
{
    char *last = strrchr(words, ' ');
    if (!last || !follows_measure(l->p)) return false;
    *last = 0;
    bool unit = names_unit(words) && is_separator(last + 1);
    if (unit) {
        size_t k = strlen(words);
        if (k && words[k - 1] == ',') words[k - 1] = 0;
        lex_emit(l, T_TEXT, 0, words);
        lex_separator(l, last + 1);
    } else {
        *last = ' ';
    }
    return unit;
}

/* "for all", "for every positive integer", "for any real x": a separator with the set that its letters are
 * from, and the letter. */
static bool lex_quantifier(struct lexer *l, const char *words)
{
    static const char *const all[] = {"all", "any", "every", "each", NULL};
    static const char *const idle[] = {"number", "numbers", "value", "values", "of", "the", NULL};
    static const char *const whole[] = {"integer", "integers", "whole", NULL};
    static const char *const counts[] = {"positive", "natural", "nonnegative", "non-negative", NULL};
    static const char *const real[] = {"real", NULL};
    const char *s = words + strspn(words, " ,("), *letter = NULL, *set = "R";
    bool quantity = false, count = false, in_z = false;
    if (!ascii_word_at(s, strlen(s), "for")) return false;
    for (s += 3; *s && !letter;) {
        s += strspn(s, " ");
        size_t n = strcspn(s, " ");
        if (is_among(s, n, all) || is_among(s, n, real) || is_among(s, n, whole) || is_among(s, n, counts))
            quantity = true;
        else if (n == 1 && isalpha((unsigned char)*s) && !s[1])
            letter = s;
        else if (n && !is_among(s, n, idle))
            return false;
        count = count || is_among(s, n, counts);
        in_z = in_z || is_among(s, n, whole) || (n == 7 && is_among(s, n, counts));
        s += n;
    }
    if (!quantity || (count && !in_z)) return false;
    set = count ? "N" : in_z ? "Z" : "R";
    if (memchr(words, '(', (size_t)(s - words))) lex_emit(l, T_OPEN, '(', NULL);
    lex_emit(l, T_SEP, 'f', set);
    if (letter) lex_emit(l, T_SYM, 0, work_text(l->p->w, letter, 1));
    return true;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

size_t money_at(const char *s, size_t n)
{
    size_t k = 1;
    if (n < 2 || s[0] != '\\') return 0;
    while (k < n && isalpha((unsigned char)s[k])) k++;
    if (k == 1) k = 2;
    const struct command *c = command_find(s + 1, k - 1);
    if (!c || c->kind != T_MONEY) return 0;
    while (k < n && s[k] == ' ') k++;
    return k;
}

/* A number or an amount of money, perhaps in brackets. */
static bool is_plain_number(const char *s, size_t n)
{
    bool digit = false;
    for (size_t i = 0, money; i < n; i++) {
        if (isdigit((unsigned char)s[i]))
            digit = true;
        else if ((money = money_at(s + i, n - i)))
            i += money - 1;
        else if (!strchr("-., +%()", s[i]) && !(s[i] == '\\' && i + 1 < n && s[i + 1] == '%'))
            return false;
    }
    return digit;
}

bool lex_based(struct lexer *l, const char *digits, size_t k, size_t at)
{
    struct node *number;
    bool here = l->s + at == digits; /* the digits themselves stand there */
    size_t base = at + (here ? k : 0), n = 0;
    if (base > l->n) return false;
    if (!prefixed_read(l->p->w, digits, k, &number)) {
        n = based_read(l->p->w, digits, k, l->s + base, l->n - base, &number);
        if (!n) return false;
    }
    struct token *t = lex_emit(l, T_NUM, 0, NULL);
    if (t) t->node = number;
    l->at = base + n;
    return true;
}

/* A number with what belongs to it: 5~cm, 50\%, 4:30 p.m., 10th; a remark (mod 7). */
static bool lex_measure(struct lexer *l, size_t from, size_t to, const char *words)
{
    static const char *const mod[] = {"mod", "(mod", NULL};
    size_t number = strspn(words, "0123456789.,:"), gap = strspn(words + number, " ");
    const char *rest = words + number + gap;
    bool clock = memchr(words, ':', number) != NULL, ordinal = !gap && is_ordinal(rest, strlen(rest));
    bool measure = number && isdigit((unsigned char)words[number - 1]) &&
                   (half_of_day(rest) || (clock ? !*rest : *rest && (ordinal || names_unit(rest))));
    bool formula = number ? strcmp(rest, "%") == 0
                          : is_among(words, strcspn(words, " "), mod) && strpbrk(words, "0123456789");
    if (!measure && !formula) return false;
    l->at = lex_blanks(l, from);
    bool digits = measure && to - l->at >= number && memcmp(l->s + l->at, words, number) == 0;
    lex_range(l, digits ? l->at + number : to);
    if (digits && *rest) lex_emit(l, T_TEXT, 0, rest);
    return true;
}

/* "Infinity", "negative infinity" */
static bool lex_infinity(struct lexer *l, const char *words)
{
    static const char *const minus[] = {"minus", "negative", NULL};
    static const char *const plus[] = {"plus", "positive", NULL};
    size_t n = strcspn(words, " ");
    bool low = is_among(words, n, minus);
    if (low || is_among(words, n, plus)) words += n + strspn(words + n, " ");
    if (strcasecmp(words, "infinity") != 0) return false;
    if (low) lex_emit(l, T_OP, '-', NULL);
    lex_emit(l, T_CONST, C_INF, NULL);
    return true;
}

/* What a word in front of its argument means: \text{sqrt }5, \text{cube root }8; NULL. */
static const struct command *meaning_of(const struct lexer *l, const char *words, size_t to)
{
    static const struct {
        const char *words, *command;
    } roots[] = {{"root", "sqrt"}, {"square root", "sqrt"}, {"cube root", "cbrt"}};
    size_t n = strlen(words);
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (strcasecmp(words, roots[i].words) == 0 && argument_at(l, to + 1, true))
            return command_find(roots[i].command, 4);
    return n > 1 ? command_find(words, n) : NULL;
}

void lex_text(struct lexer *l, size_t from, size_t to)
{
    const char *s = l->s + from;
    size_t n = to - from;
    bool formula = memchr(s, '\\', n) &&
                   (memmem(s, n, "\\frac", 5) || memmem(s, n, "\\sqrt", 5) || memmem(s, n, "\\pi", 3));
    if (is_plain_number(s, n) || formula) {
        lex_inside(l, from, to);
        return;
    }
    char *words = words_of(l->p->w, s, n);
    if (!words) {
        l->bad = true;
        return;
    }
    size_t k = strlen(words);
    const struct command *c = meaning_of(l, words, to);
    if (lex_infinity(l, words)) {
        l->at = to + 1;
        return;
    }
    bool means = c && (c->kind == T_FN || c->kind == T_CONST || c->kind == T_PERCENT || c->kind == T_MOD ||
                       c->kind == T_SET || c->kind == T_SQRT);
    if (lex_based(l, words, k, to + 1)) {
        /* FF_{16} */
    } else if (lex_measure(l, from, to, words)) {
        /* 5 cm */
    } else if (words[0] == 0) {
        l->blank = true;
    } else if (lex_named_function(l, from, to, false)) {
        /* \text{erf}(2) */
    } else if (means && !is_ordinal(words, k) && !is_unit_here(l, words, k, to + 1, SPELLED_UPRIGHT)) {
        lex_emit(l, c->kind, c->value, c->name);
    } else if (strcmp(words, "U") == 0 && joins_intervals(l, to + 1)) {
        lex_emit(l, T_SET, 'u', NULL);
    } else if (!lex_separator(l, words) && !lex_quantifier(l, words) && !lex_unit_and(l, words)) {
        lex_emit(l, T_TEXT, 0, words);
    }
    if (l->at <= to) l->at = to + 1;
}
