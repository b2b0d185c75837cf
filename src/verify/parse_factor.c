/* parse_factor.c: signs, powers and what else stands behind a factor; arguments of commands. */
#include <ctype.h>
#include <string.h>

#include "verify/parse_int.h"

#define PLACES_MAX 1000 /* of a fraction in another base */

bool starts_factor(struct parser *p)
{
    struct token *t = peek(p);
    switch (t->kind) {
    case T_NUM:
    case T_SYM:
    case T_CONST:
    case T_FN:
    case T_FRAC:
    case T_SQRT:
    case T_BINOM:
    case T_BIG:
    case T_ACCENT:
    case T_BEGIN:
    case T_NUMSET:
    case T_DOTS: return true;
    case T_OPEN:
        return t[1].kind != T_MOD && (t->match >= 0 || t[1].kind == T_BEGIN) && !condition_ahead(p);
    case T_OP:
        if (t->value == 'N') return p->norms == 0;
        if (t->value != '|') return false;
        if (p->bars == 0) return true;
        /* ||x||y||: a bar right behind a closing one opens when enough of them follow. */
        int left = 0;
        for (int i = p->at; i < p->n; i++) left += p->t[i].kind == T_OP && p->t[i].value == '|';
        return p->at && t[-1].kind == T_OP && t[-1].value == '|' && left > p->bars &&
               (t[1].kind == T_SYM || t[1].kind == T_NUM);
    default: return false;
    }
}

/* The first digit of a longer number: \frac12. The rest stays as the next token. */
static struct node *one_digit_of(struct parser *p)
{
    struct token *t = peek(p);
    const char *s = p->src + t->at;
    size_t left = p->src_n - t->at;
    if (left < 2 || !isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1])) {
        p->at++;
        return t->node;
    }
    struct node *rest;
    if (!numeral_read(p->w, s + 1, left - 1, p->style, true, &rest)) return parse_fail(p, "bad number");
    t->node = rest;
    t->at++;
    return node_int(p->w, s[0] - '0');
}

struct node *parse_argument(struct parser *p, bool one_digit)
{
    struct token *t = peek(p);
    struct node *out;
    if (!enter(p)) return NULL;
    if (t->kind == T_OPEN && t->value == 'g') {
        p->at++;
        out = parse_sum(p);
        if (out && !take(p, T_CLOSE, 'g')) out = parse_fail(p, "{ is not closed");
    } else if (t->kind == T_NUM && one_digit) {
        out = one_digit_of(p);
    } else if (t->kind == T_NUM) {
        p->at++;
        out = t->node;
    } else if (t->kind == T_SYM && t->text) { /* one letter: what is below it belongs to the whole */
        p->at++;
        bool imaginary = (strcmp(t->text, "i") == 0 || strcmp(t->text, "I") == 0) && !is_bound(p, t->text);
        bool euler = strcmp(t->text, "e") == 0 && !is_bound(p, t->text);
        out = imaginary ? node_const(p->w, C_I) : euler ? node_const(p->w, C_E) : node_sym(p->w, t->text);
    } else if (t->kind == T_OP && t->value == '-') {
        p->at++;
        out = node_1(p->w, K_NEG, 0, parse_argument(p, one_digit));
    } else if (t->kind == T_OP && t->value == '+') {
        p->at++;
        out = parse_argument(p, one_digit);
    } else if (starts_factor(p)) {
        out = parse_atom(p);
    } else {
        out = parse_fail(p, "an argument is missing");
    }
    p->depth--;
    return out;
}

/* ---- powers ------------------------------------------------------------------------------------------- */

/* {+}, {-}, +, - with nothing behind: from which side a limit is taken. */
static bool side_mark(struct parser *p)
{
    struct token *t = peek(p);
    if (!p->limit) return false;
    int group = t->kind == T_OPEN && t->value == 'g' ? 1 : 0;
    const struct token *sign = t + group;
    if (sign->kind != T_OP || (sign->value != '+' && sign->value != '-')) return false;
    if (group ? sign[1].kind != T_CLOSE : sign[1].kind != T_CLOSE && sign[1].kind != T_END) return false;
    p->side = sign->value == '+' ? 1 : -1;
    p->at += group ? 3 : 1;
    return true;
}

/* {th}, \text{th}, {\text{th}}: takes them. */
static bool ordinal_mark(struct parser *p)
{
    const struct token *t = peek(p);
    int group = t->kind == T_OPEN && t->value == 'g' ? 1 : 0, letters = 1;
    const struct token *m = t + group;
    bool ordinal = m->kind == T_TEXT && is_ordinal(m->text, strlen(m->text));
    if (group && m->kind == T_SYM && m[1].kind == T_SYM && !m->text[1] && !m[1].text[1]) {
        ordinal = is_ordinal((const char[]){m->text[0], m[1].text[0]}, 2);
        letters = 2;
    }
    if (!ordinal || (group && m[letters].kind != T_CLOSE)) return false;
    p->at += letters + 2 * group;
    return true;
}

/* {\circ}, \circ, {\prime}, {*}, {T}: marks that are no powers, and on a number an o for \circ. Takes them
 * and says which. */
static int power_mark(struct parser *p, bool number)
{
    struct token *t = peek(p);
    if (number && ordinal_mark(p)) return '#';
    int group = t->kind == T_OPEN && t->value == 'g' ? 1 : 0;
    const struct token *m = t + group;
    if (group && m[1].kind != T_CLOSE) return 0;
    bool o = number && (m->kind == T_SYM || m->kind == T_TEXT) && strcmp(m->text, "o") == 0;
    int mark = m->kind == T_DEGREE || o                                                              ? 'o'
               : m->kind == T_PRIME                                                             ? '\''
               : m->kind == T_OP && m->value == '*'                                             ? '*'
               : m->kind == T_SYM && (strcmp(m->text, "T") == 0 || strcmp(m->text, "top") == 0) ? 'T'
                                                                                                : 0;
    if (mark) p->at += group ? 3 : 1;
    return mark;
}

/* A' of a matrix, 5' (feet, minutes), (x^2)' of a formula in one letter; a longer name. */
static struct node *primed(struct parser *p, struct node *base)
{
    char name[80];
    struct names names = {0};
    if (base->kind == K_MATRIX) return node_1(p->w, K_FN, F_TRANSPOSE, base);
    if (base->kind != K_SYM || strlen(base->name) > 60) {
        names_free_in(base, &names);
        if (names.n == 0) return node_named(p->w, K_UNIT, "'", &base, 1);
        if (names.n != 1) return parse_fail(p, "a prime on what is no name");
        return node_2(p->w, K_FN, F_DIFF, base, node_sym(p->w, names.name[0]));
    }
    snprintf(name, sizeof name, "%s'", base->name);
    return node_sym(p->w, name);
}

/* The prime behind a number at t, also raised (^\prime, ^{\prime}): its tokens, or 0. */
static int prime_at(const struct token *t)
{
    if (t->kind == T_PRIME) return 1;
    if (t->kind != T_OP || t->value != '^') return 0;
    if (t[1].kind == T_PRIME) return 2;
    return t[1].kind == T_OPEN && t[2].kind == T_PRIME && t[3].kind == T_CLOSE ? 4 : 0;
}

/* Minutes and seconds behind degrees: 22^\circ 30' 15''. */
static struct node *angle_of(struct parser *p, struct node *degrees)
{
    struct node *sum = degrees;
    int primes;
    for (long part = 60; peek(p)->kind == T_NUM && (primes = prime_at(peek(p) + 1)); part *= 60) {
        struct node *small = node_2(p->w, K_DIV, 0, peek(p)->node, node_int(p->w, part));
        p->at += 1 + primes;
        if (part > 60 && peek(p)->kind == T_PRIME) p->at++;
        if (part > 3600) return parse_fail(p, "an angle with more than minutes and seconds");
        sum = node_2(p->w, K_ADD, 0, sum, small);
    }
    return node_1(p->w, K_DEGREE, 0, sum);
}

static struct node *parse_power(struct parser *p, struct node *base)
{
    if (side_mark(p)) return base;
    bool matrix = base->kind == K_MATRIX || (base->kind == K_FN && base->op == F_TRANSPOSE);
    int save = p->at, mark = power_mark(p, base->kind == K_NUM);
    if (mark == 'T' && !matrix) {
        p->at = save;
        mark = 0;
    }
    if (mark == 'o') {
        if (peek(p)->kind == T_SYM && (strcmp(peek(p)->text, "C") == 0 || strcmp(peek(p)->text, "F") == 0)) {
            const char *unit = peek(p)->text[0] == 'C' ? "celsius" : "fahrenheit";
            p->at++;
            return node_named(p->w, K_UNIT, unit, &base, 1);
        }
        return angle_of(p, base);
    }
    if (mark == '#') return base;
    if (mark == 'T') return node_1(p->w, K_FN, F_TRANSPOSE, base);
    if (mark) return primed(p, base);
    struct node *e = parse_argument(p, false);
    if (e && take(p, T_OP, '^')) { /* 2^3^4 */
        if (!enter(p)) return NULL;
        e = parse_power(p, e);
        p->depth--;
    }
    return node_2(p->w, K_POW, 0, base, e);
}

/* {}^\circ: an empty group that carries the mark. */
static bool empty_before_degree(struct parser *p)
{
    const struct token *t = peek(p);
    return t->kind == T_OPEN && t[1].kind == T_CLOSE && t[2].kind == T_OP && t[2].value == '^' &&
           (t[3].kind == T_DEGREE || (t[3].kind == T_OPEN && t[4].kind == T_DEGREE));
}

static struct node *factorial_of(struct parser *p, struct node *base)
{
    int marks = 1;
    while (take(p, T_OP, '!')) marks++;
    if (marks == 2) return node_1(p->w, K_FN, F_FACT2, base);
    for (int i = 0; i < marks && base; i++) base = node_1(p->w, K_FN, F_FACT, base);
    return base;
}

struct node *parse_factor(struct parser *p)
{
    bool minus = false;
    while (peek_is(p, T_OP, '-') || peek_is(p, T_OP, '+')) {
        if (peek(p)->value == '-') minus = !minus;
        p->at++;
    }
    struct node *base = parse_atom(p);
    while (base && !p->failed && !integral_ends(p)) {
        if (empty_before_degree(p)) p->at += 2;
        if (take(p, T_OP, '^'))
            base = parse_power(p, base);
        else if (take(p, T_OP, '!'))
            base = factorial_of(p, base);
        else if (peek_is(p, T_OP, '_') && (base->kind == K_POW || base->kind == K_NUM || base->kind == K_SEQ))
            base = subscripted(p, base);
        else if (take(p, T_PERCENT, 0))
            base = node_1(p->w, K_PERCENT, 0, base);
        else if (take(p, T_DEGREE, 0))
            base = angle_of(p, base);
        else if (take(p, T_PRIME, 0))
            base = primed(p, base);
        else
            break;
    }
    return minus ? node_1(p->w, K_NEG, 0, base) : base;
}

/* ---- subscripts --------------------------------------------------------------------------------------- */

/* The text between two tokens without braces, blanks and backslashes. */
static char *subscript_text(struct parser *p, int from, int to, const char *base)
{
    struct str s;
    str_init(&s, 300);
    str_puts(&s, base);
    str_puts(&s, "_");
    size_t end = p->t[to].at;
    for (size_t i = p->t[from].at; i < end; i++) {
        char c = p->src[i];
        if (!isspace((unsigned char)c) && !strchr("{}\\$", c)) str_add(&s, &c, 1);
    }
    char *out = s.full ? NULL : work_text(p->w, s.p, s.len);
    str_release(&s);
    return out;
}

static int base_word(const char *s)
{
    static const char *const all[] = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    if (strncmp(s, "base ", 5) == 0) s += 5;
    for (int i = 0; i < 9; i++)
        if (strcmp(s, all[i]) == 0) return i + 2;
    if (strcmp(s, "hex") == 0 || strcmp(s, "sixteen") == 0) return 16;
    return s[0] >= '1' && s[0] <= '9' && !s[2] ? (s[1] ? (s[0] - '0') * 10 + s[1] - '0' : s[0] - '0') : 0;
}

/* The value that a decimal number's digits have in another base; NULL, and failed, when they have none. */
static struct node *based_value(struct parser *p, const struct node *digits, int base)
{
    fmpq_t q;
    fmpz_t power;
    int places = 0;
    fmpq_init(q);
    fmpz_init(power);
    fmpq_set(q, digits->q);
    for (; places < PLACES_MAX && !fmpz_is_one(fmpq_denref(q)); places++) fmpq_mul_si(q, q, 10);
    char *text = fmpz_is_one(fmpq_denref(q)) ? fmpz_get_str(NULL, 10, fmpq_numref(q)) : NULL;
    bool good = text && digits_value(text, base, q);
    fmpz_ui_pow_ui(power, (ulong)base, (ulong)places);
    if (good) fmpq_div_fmpz(q, q, power);
    struct node *value = good ? node_num(p->w, q) : parse_fail(p, "a digit is not below the base");
    if (text) flint_free(text);
    fmpq_clear(q);
    fmpz_clear(power);
    return value;
}

/* {two}, letter by letter: the base, behind its last letter. */
static int spelled_base(struct parser *p)
{
    char word[8];
    size_t k = 0;
    const struct token *t = peek(p);
    while (t[k].kind == T_SYM && !t[k].text[1] && k + 1 < sizeof word) word[k] = t[k].text[0], k++;
    word[k] = 0;
    int base = k > 1 && t[k].kind == T_CLOSE ? base_word(word) : 0;
    if (base) p->at += (int)k - 1;
    return base;
}

/* 204_5: value, digits, base. */
static struct node *based(struct parser *p, struct node *digits)
{
    bool group = take(p, T_OPEN, 'g'), round = group && take(p, T_OPEN, '(');
    long base = group ? spelled_base(p) : 0;
    struct token *t = peek(p);
    if (base) { /* it was a word */
    } else if (t->kind == T_TEXT)
        base = base_word(t->text);
    else if (t->kind == T_NUM && fmpz_is_one(fmpq_denref(t->node->q)) &&
             fmpz_cmp_si(fmpq_numref(t->node->q), 37) < 0)
        base = fmpz_get_si(fmpq_numref(t->node->q));
    else if (t->kind == T_SYM && !group) /* 17_b */
        base = -1;
    p->at++;
    if (group && t->kind == T_TEXT && peek(p)->kind == T_NUM) { /* {\text{base } 5} */
        base = fmpz_get_si(fmpq_numref(peek(p)->node->q));
        p->at++;
    }
    if (round && !take(p, T_CLOSE, ')')) return parse_fail(p, "no base");
    if (group && !take(p, T_CLOSE, 'g')) return parse_fail(p, "no base");
    if (base == -1) {
        struct node *sym = node_sym(p->w, t->text);
        return node_of(p->w, K_BASED, 1, (struct node *[]){digits, digits, sym}, 3);
    }
    if (base < 2 || base > 36) return parse_fail(p, "no base");
    struct node *value = based_value(p, digits, (int)base);
    return node_of(p->w, K_BASED, 0, (struct node *[]){value, digits, node_int(p->w, base)}, 3);
}

struct node *subscripted(struct parser *p, struct node *base)
{
    if (!take(p, T_OP, '_')) return parse_fail(p, "no subscript");
    if (base->kind == K_NUM) return based(p, base);
    const struct node *sym = base->kind == K_POW ? base->arg[0] : base;
    int from = p->at;
    struct token *t = peek(p);
    if (t->kind == T_OPEN && t->value == 'g' && t->match > p->at + 1)
        p->at = t->match + 1;
    else if (t->kind == T_NUM || t->kind == T_SYM || t->kind == T_CONST || t->kind == T_TEXT)
        p->at++;
    else
        return parse_fail(p, "no subscript");
    if (sym->kind != K_SYM) return parse_fail(p, "a subscript on what is no name");
    int to = p->t[p->at - 1].kind == T_CLOSE ? p->at - 1 : p->at;
    struct node *named = node_sym(p->w, subscript_text(p, from, to, sym->name));
    return base->kind == K_POW ? node_2(p->w, K_POW, 0, named, base->arg[1]) : named;
}
