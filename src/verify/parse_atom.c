/* parse_atom.c: numbers, names, fractions, roots: what a factor begins with. */
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

#define MEASURE_TOKENS 12 /* in the brackets of n(A \cup B) */

bool is_bound(struct parser *p, const char *name)
{
    for (int i = 0; i < p->n_bound; i++)
        if (strcmp(p->bound[i], name) == 0) return true;
    return false;
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

static bool is_whole(const struct node *n)
{
    return n && n->kind == K_NUM && !n->decimal && fmpz_is_one(fmpq_denref(n->q));
}

/* 3\frac{1}{2} and 3 1/2. The token behind the whole number is at p->at. */
static struct node *mixed(struct parser *p, struct node *whole)
{
    struct token *t = peek(p);
    if (!is_whole(whole)) return whole;
    int save = p->at;
    if (t->kind == T_FRAC) {
        p->at++;
        struct token *in = peek(p);
        bool letters = in->kind == T_OPEN && (in[1].kind != T_NUM || in[2].kind != T_CLOSE);
        if ((in->kind != T_OPEN && in->kind != T_NUM) || letters) {
            p->at = save;
            return whole;
        }
        struct node *a = parse_argument(p, true), *b = p->failed ? NULL : parse_argument(p, true);
        if (!a || !b) return NULL;
        struct node *part = node_2(p->w, K_DIV, 0, a, b);
        if (is_whole(a) && is_whole(b)) return node_2(p->w, K_ADD, 0, whole, part);
        return node_2(p->w, K_MUL, 0, whole, part);
    }
    bool slash = t->kind == T_NUM && t->blank && t[1].kind == T_OP && t[1].value == '/' && t[2].kind == T_NUM;
    if (!slash) return whole;
    struct node *a = t[0].node, *b = t[2].node;
    if (!is_whole(a) || !is_whole(b)) return parse_fail(p, "a mixed number of decimals");
    if (fmpq_cmp(a->q, b->q) >= 0) return parse_fail(p, "the fraction of a mixed number is not below one");
    p->at += 3;
    return node_2(p->w, K_ADD, 0, whole, node_2(p->w, K_DIV, 0, a, b));
}

static struct node *parse_number(struct parser *p)
{
    struct token *t = peek(p);
    p->at++;
    bool slash = peek(p)->kind == T_NUM && peek(p)->blank && t[2].kind == T_OP && t[2].value == '/' &&
                 t[3].kind == T_NUM;
    if (slash && !is_whole(t->node)) return parse_fail(p, "a decimal before a fraction");
    bool count = t[1].kind == T_SYM && !t[1].blank && t[2].kind == T_NUM && !t[2].blank &&
                 is_whole(t->node) && is_whole(t[2].node);
    if (count && (strcmp(t[1].text, "C") == 0 || strcmp(t[1].text, "P") == 0)) { /* 10C3 */
        p->at += 2;
        return node_2(p->w, K_FN, t[1].text[0] == 'C' ? F_BINOM : F_PERM, t->node, t[2].node);
    }
    return mixed(p, t->node);
}

/* ---- names -------------------------------------------------------------------------------------------- */

static bool name_in(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

/* P(A | B), P(X > 2), P(A \cap B), E(X | Y): an event stands in the bracket. */
static bool is_event(struct parser *p, const char *name)
{
    static const char *const all[] = {"P", "Pr", "Prob", "E", "Var", NULL};
    bool event = false;
    if (!name_in(name, all)) return false;
    for (const struct token *t = peek(p) + 1; t < p->t + peek(p)->match && !event; t++)
        event = t->kind == T_REL || t->kind == T_SET || t->kind == T_TEXT ||
                (t->kind == T_OP && t->value == '|');
    return event;
}

/* C(10, 2): a count or a point of this name, as compare.c finds. */
static bool is_count(const struct token *t, const char *name)
{
    return (strcmp(name, "C") == 0 || strcmp(name, "P") == 0) && (t[1].kind == T_NUM || t[1].kind == T_SYM) &&
           t[2].kind == T_COMMA && t[3].kind == T_NUM && t[4].kind == T_CLOSE;
}

/* n(A), d(A, B), m(\angle A): a number, distance or measure of things with capital names. */
static bool is_measure(const struct parser *p, const char *name)
{
    const struct token *t = &p->t[p->at];
    bool things = false;
    if (!strchr("ndm", name[0]) || t->match > p->at + MEASURE_TOKENS) return false;
    for (const struct token *in = t + 1; in < p->t + t->match; in++) {
        bool sign = in->kind == T_SYM && strcmp(in->text, "angle") == 0;
        bool capital = in->kind == T_SYM && in->text[0] >= 'A' && in->text[0] <= 'Z';
        if (!sign && !capital && in->kind != T_SET && in->kind != T_COMMA) return false;
        things = things || capital;
    }
    return things;
}

/* Is NAME( the call of a function? f, g, h always are; P, p, q only of one name or number. */
static bool is_call(struct parser *p, const char *name)
{
    static const char *const orders[] = {"O", "Theta", "Omega", "o", NULL};
    struct token *t = peek(p);
    char first = name[0];
    bool single = !name[1] || name[1] == '_' || name[1] == '\'';
    bool always = (single && strchr("fghFGH", first)) || name_in(name, orders);
    if (t->kind != T_OPEN || t->match < 0) return false;
    if (t->value == 'g') /* f{(x)}, as SymPy prints it */
        return always && t[1].kind == T_OPEN && t[1].value == '(' && t[1].match == t->match - 1;
    if (t->value != '(') return false;
    if (always || (single && is_measure(p, name))) return true;
    bool small = t->match == p->at + 2 && (t[1].kind == T_SYM || t[1].kind == T_NUM);
    return (single && small && strchr("PpqQTV", first)) || is_event(p, name) || is_count(t, name);
}

/* (A | B) as two arguments. */
static struct node *parse_event(struct parser *p, const char *name)
{
    int open = p->at, close = peek(p)->match, bar = open;
    while (bar < close && !(p->t[bar].kind == T_OP && p->t[bar].value == '|')) bar++;
    if (bar == close) return NULL;
    p->t[bar].kind = T_ENDENV; /* ends the first part */
    p->at++;
    struct node *event = parse_list(p);
    if (!event || p->at != bar) return parse_fail(p, "an event is not understood");
    p->at++;
    struct node *given = parse_list(p);
    if (!given || !take(p, T_CLOSE, ')')) return parse_fail(p, "a condition is not understood");
    return node_named(p->w, K_APPLY, name, (struct node *[]){event, given}, 2);
}

struct node *parse_call(struct parser *p, const char *name)
{
    struct row args = {0};
    if (is_event(p, name)) {
        struct node *event = parse_event(p, name);
        if (event || p->failed) return event;
    }
    struct node *in = parse_bracket(p);
    if (!in) return NULL;
    if (in->kind == K_SEQ && in->op == '(') {
        for (int i = 0; i < in->n; i++)
            if (!row_push(p, &args, in->arg[i])) return NULL;
    } else if (!row_push(p, &args, in)) {
        return NULL;
    }
    if (strcmp(name, "Gamma") == 0) return node_1(p->w, K_FN, F_GAMMA, in);
    return node_named(p->w, K_APPLY, name, args.v, args.n);
}

static bool is_function_letter(const char *name)
{
    return name[0] && !name[1] && strchr("fghFGH", name[0]);
}

/* ^{-1}( behind the name of a function */
static bool is_inverse_call(const struct token *t)
{
    bool power = t->kind == T_OP && t->value == '^' && t[1].kind == T_OPEN && t[2].kind == T_OP &&
                 t[2].value == '-' && t[3].kind == T_NUM && node_is_int(t[3].node, 1);
    return power && t[4].kind == T_CLOSE && t[5].kind == T_OPEN && t[5].value == '(' && t[5].match > 0;
}

#define COMPOSED " o "

/* f \circ g, (f \circ g)(x): a name of its own. At the circle. */
static struct node *parse_composed(struct parser *p, const char *first)
{
    struct str name;
    str_init(&name, 64);
    str_puts(&name, first);
    while (peek(p)->kind == T_DEGREE && p->t[p->at + 1].kind == T_SYM &&
           is_function_letter(p->t[p->at + 1].text)) {
        str_puts(&name, COMPOSED);
        str_puts(&name, p->t[p->at + 1].text);
        p->at += 2;
    }
    struct node *out = name.full ? parse_fail(p, "too many functions are composed") : node_sym(p->w, name.p);
    str_release(&name);
    return out && peek_is(p, T_OPEN, '(') && peek(p)->match > 0 ? parse_call(p, out->name) : out;
}

/* The d of an open integral: takes the variable too. */
static bool take_differential(struct parser *p)
{
    struct token *t = peek(p);
    if (p->integral_depth < 0 || p->differential || t->kind != T_SYM || strcmp(t->text, "d") != 0)
        return false;
    if (t[1].kind != T_SYM) return false;
    p->differential = t[1].text;
    p->at += 2;
    return true;
}

static struct node *parse_name(struct parser *p)
{
    struct token *t = peek(p);
    const char *name = t->text;
    if (!name) return parse_fail(p, "too large");
    if (take_differential(p)) return node_int(p->w, 1);
    p->at++;
    if (is_function_letter(name) && peek(p)->kind == T_DEGREE) return parse_composed(p, name);
    if (is_function_letter(name) && is_inverse_call(peek(p))) {
        char inverse[] = "?^{-1}";
        inverse[0] = name[0];
        p->at += 5;
        return parse_call(p, inverse);
    }
    if (peek_is(p, T_OP, '_')) {
        struct node *sym = subscripted(p, node_sym(p->w, name));
        while (sym && sym->kind == K_SYM && take(p, T_PRIME, 0)) {
            char longer[320];
            snprintf(longer, sizeof longer, "%.300s'", sym->name);
            sym = node_sym(p->w, longer);
        }
        return sym && is_call(p, sym->name) ? parse_call(p, sym->name) : sym;
    }
    if (peek(p)->kind == T_PRIME && name[0] && !name[1]) {
        char longer[16];
        int k = 0;
        while (take(p, T_PRIME, 0)) k++;
        snprintf(longer, sizeof longer, "%s%.*s", name, k > 4 ? 4 : k, "''''");
        return is_call(p, longer) ? parse_call(p, longer) : node_sym(p->w, longer);
    }
    if (is_call(p, name) || (strcmp(name, "Gamma") == 0 && peek_is(p, T_OPEN, '(')))
        return parse_call(p, name);
    if ((strcmp(name, "i") == 0 || strcmp(name, "I") == 0) && !is_bound(p, name))
        return node_const(p->w, C_I);
    if (strcmp(name, "e") == 0 && !is_bound(p, name)) return node_const(p->w, C_E);
    return node_sym(p->w, name);
}

/* \overline{x}, \vec{v}: part of the name, unless numbers are under it. */
static struct node *parse_accent(struct parser *p)
{
    const char *accent = peek(p)->text;
    p->at++;
    struct token *t = peek(p);
    char name[200];
    if (t->kind == T_SYM) {
        snprintf(name, sizeof name, "%s{%s}", accent, t->text);
        p->at++;
    } else if (t->kind == T_OPEN && t->value == 'g' && t->match > p->at + 1) {
        int from = p->at + 1, to = t->match;
        struct str s;
        str_init(&s, 150);
        bool letters = true;
        for (int i = from; i < to; i++) letters = letters && p->t[i].kind == T_SYM;
        for (int i = from; i < to && letters; i++) str_puts(&s, p->t[i].text);
        snprintf(name, sizeof name, "%s{%s}", accent, s.p);
        bool segment =
            letters && to - from == 2 && strcmp(accent, "bar") == 0 && s.p[0] >= 'A' && s.p[0] <= 'Z';
        str_release(&s);
        if (!letters) { /* the conjugate of a formula */
            struct node *in = parse_argument(p, false);
            return strcmp(accent, "bar") == 0 ? node_1(p->w, K_FN, F_CONJ, in) : in;
        }
        p->at = to + 1;
        if (segment) /* the segment AB: the bar says no more than the letters */
            return node_2(p->w, K_MUL, 0, node_sym(p->w, p->t[from].text),
                          node_sym(p->w, p->t[from + 1].text));
    } else {
        return parse_fail(p, "nothing is under the accent");
    }
    struct node *sym = node_sym(p->w, name);
    return peek_is(p, T_OP, '_') ? subscripted(p, sym) : sym;
}

/* ---- fractions, roots --------------------------------------------------------------------------------- */

static struct node *parse_frac(struct parser *p)
{
    struct node *d = parse_derivative(p);
    if (d || p->failed) return d;
    p->at++;
    const struct token *t = peek(p);
    bool place = t->kind == T_OPEN && t->value == '[' && t[1].kind == T_SYM && t[2].kind == T_CLOSE;
    if (place) p->at += 3; /* \cfrac[l] */
    struct node *a = parse_argument(p, true);
    struct node *b = p->failed ? NULL : parse_argument(p, true);
    return node_2(p->w, K_DIV, 0, a, b);
}

static struct node *parse_root(struct parser *p)
{
    int index = peek(p)->value ? peek(p)->value : 2;
    struct node *n = node_int(p->w, index);
    p->at++;
    if (peek_is(p, T_OPEN, '[') && peek(p)->match > 0) {
        p->at++;
        n = parse_sum(p);
        if (n && !take(p, T_CLOSE, ']')) return parse_fail(p, "the index of the root is not closed");
    }
    return p->failed ? NULL : node_2(p->w, K_ROOT, 0, parse_argument(p, false), n);
}

/* The C or P of combinations and permutations, in any font: F_BINOM, F_PERM, 0 if it is none. */
static int counting_letter(struct parser *p)
{
    bool group = take(p, T_OPEN, 'g');
    struct token *t = peek(p);
    int f = t->kind != T_SYM            ? 0
            : strcmp(t->text, "P") == 0 ? F_PERM
            : strcmp(t->text, "C") == 0 ? F_BINOM
                                        : 0;
    p->at++;
    return group && !take(p, T_CLOSE, 'g') ? 0 : f;
}

/* _5P_2, ^5C_2, behind an empty group or not, and the fraction ^3/_4. At the mark of the first number. */
struct node *parse_counting(struct parser *p)
{
    bool above = peek(p)->value == '^';
    p->at++;
    struct node *n = parse_argument(p, false);
    if (above && peek_is(p, T_OP, '/') && p->t[p->at + 1].kind == T_OP && p->t[p->at + 1].value == '_') {
        p->at += 2; /* ^3/_4 */
        return node_2(p->w, K_DIV, 0, n, parse_argument(p, false));
    }
    int f = n ? counting_letter(p) : 0;
    if (!f) return parse_fail(p, "an index on nothing");
    if (!take(p, T_OP, '_')) return parse_fail(p, "a subscript is missing");
    return node_2(p->w, K_FN, f, n, parse_argument(p, true));
}

/* The numbers of a set on one side of zero: of R an interval. */
static struct node *half_set(struct parser *p, struct node *set, bool positive, bool with_zero)
{
    struct node *zero = node_int(p->w, 0), *far = node_const(p->w, C_INF);
    if (!positive) far = node_1(p->w, K_NEG, 0, far);
    int open = positive && with_zero ? '[' : '(', close = !positive && with_zero ? ']' : ')';
    struct node *half =
        node_of(p->w, K_SEQ, open, (struct node *[]){positive ? zero : far, positive ? far : zero}, 2);
    if (!set || !half) return NULL;
    half->rows = (short)close;
    return set->op == 'R' ? half : node_2(p->w, K_SETOP, 'n', set, half);
}

/* A set with the mark between t and end: +, -, > 0, \ge 0, \ge 1 (of whole numbers), 0 and * (of N, else
 * without zero). NULL: no such mark. */
static struct node *marked_set(struct parser *p, struct node *set, const struct token *t,
                               const struct token *end)
{
    bool bound = t->kind == T_REL && end - t == 2 && t[1].kind == T_NUM, lone = end - t == 1;
    bool natural = set->op == 'N', above = t->value == R_GT || t->value == R_GE;
    struct node *whole = natural ? node_of(p->w, K_NUMSET, 'Z', NULL, 0) : set;
    if (bound && node_is_int(t[1].node, 0) && (above || t->value == R_LT || t->value == R_LE))
        return half_set(p, whole, above, t->value == R_GE || t->value == R_LE);
    if (bound && node_is_int(t[1].node, 1) && t->value == R_GE && (natural || set->op == 'Z'))
        return half_set(p, whole, true, false);
    if (lone && t->kind == T_NUM && natural && node_is_int(t->node, 0)) return half_set(p, whole, true, true);
    if (!lone || t->kind != T_OP || !strchr("+-*", t->value)) return NULL;
    if (natural || t->value != '*') return half_set(p, whole, t->value != '-', false);
    struct node *nothing = node_1(p->w, K_SEQ, '{', node_int(p->w, 0));
    if (nothing) nothing->rows = '}';
    return node_2(p->w, K_SETOP, '\\', set, nothing);
}

/* R, Z and so on; R^+, Z_{\ge 0}, N^*; R^2 is a set of its own. */
static struct node *parse_number_set(struct parser *p)
{
    struct node *set = node_of(p->w, K_NUMSET, peek(p)->value, NULL, 0);
    p->at++;
    while (set && (peek_is(p, T_OP, '^') || peek_is(p, T_OP, '_'))) {
        const struct token *mark = peek(p) + 1;
        bool group = mark->kind == T_OPEN && mark->value == 'g' && mark->match > 0;
        int from = p->at + 1 + group, to = group ? mark->match : p->at + 2;
        if (to <= from || to >= p->n + !group) break;
        struct node *marked = set->kind == K_NUMSET ? marked_set(p, set, &p->t[from], &p->t[to]) : NULL;
        if (!marked) break;
        p->at = to + group;
        set = marked;
    }
    if (!set || set->kind != K_NUMSET || !take(p, T_OP, '^')) return set;
    return node_2(p->w, K_SETOP, '^', set, parse_argument(p, false));
}

struct node *parse_atom(struct parser *p)
{
    struct token *t = peek(p);
    struct node *out;
    if (p->failed || !work_step(p->w, 1)) return parse_fail(p, "too large");
    if (!enter(p)) return NULL;
    switch (t->kind) {
    case T_NUM: out = parse_number(p); break;
    case T_SYM: out = parse_name(p); break;
    case T_CONST:
        p->at++;
        out = node_const(p->w, (enum constant)t->value);
        break;
    case T_FN: out = parse_function(p); break;
    case T_FRAC: out = parse_frac(p); break;
    case T_SQRT: out = parse_root(p); break;
    case T_BINOM: {
        p->at++;
        struct node *a = parse_argument(p, true);
        out = p->failed ? NULL : node_2(p->w, K_FN, F_BINOM, a, parse_argument(p, true));
        break;
    }
    case T_BIG: out = parse_big(p); break;
    case T_ACCENT: out = parse_accent(p); break;
    case T_BEGIN: out = parse_environment(p); break;
    case T_TEXT: out = parse_text(p); break;
    case T_NUMSET: out = parse_number_set(p); break;
    case T_DOTS:
        p->at++;
        out = node_of(p->w, K_ELLIPSIS, 0, NULL, 0);
        break;
    case T_OPEN:
    case T_CLOSE:
        out = parse_bracket(p);
        if (out && out->kind == K_SYM && strstr(out->name, COMPOSED) && peek_is(p, T_OPEN, '('))
            out = parse_call(p, out->name); /* (f o g)(x) */
        break;
    case T_OP:
        if (t->value == '|' || t->value == 'N')
            out = parse_bars(p);
        else if (t->value == '_' || t->value == '^')
            out = parse_counting(p);
        else
            out = parse_fail(p, "an operator without its operand");
        break;
    default: out = parse_fail(p, t->kind == T_WORD ? "it is prose" : "a part is missing");
    }
    p->depth--;
    return out;
}
