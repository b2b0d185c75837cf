/* parse.c: the grammar from the top: lists, relations, sets, sums, terms.
 *
 *   list     = items { (\Rightarrow | \to | ...) items }
 *   items    = item { (, | ; | and | or) item }           ; separates groups of items
 *   item     = member { (= | < | ...) member }
 *   member   = ratio { (\cup | \cap | \setminus) ratio }
 *   ratio    = sum { : sum }
 *   sum      = term { (+ | - | \pm) term }
 *   term     = product { (* | / | \mod) product }
 *   product  = factor { factor }                          binds tighter than * and /: 1/2x is 1/(2x)
 * Factors and what is below are in parse_factor.c and parse_atom.c. A failure sets p->failed and gives NULL.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "verify/parse_int.h"

struct node *parse_fail(struct parser *p, const char *why)
{
    if (!p->failed) p->why = why;
    p->failed = true;
    return NULL;
}

bool take(struct parser *p, enum token_kind kind, int value)
{
    if (!peek_is(p, kind, value)) return false;
    p->at++;
    return true;
}

bool enter(struct parser *p)
{
    if (++p->depth <= DEPTH_MAX) return true;
    if (!p->w->over) p->w->over = "the formula is nested too deep";
    parse_fail(p, p->w->over);
    return false;
}

bool row_push(struct parser *p, struct row *r, struct node *n)
{
    if (!n) return false;
    if (r->n == r->cap) {
        int cap = r->cap ? r->cap * 2 : 8;
        struct node **v = work_alloc(p->w, (size_t)cap * sizeof *v);
        if (!v) return parse_fail(p, "too large") != NULL;
        if (r->n) memcpy(v, r->v, (size_t)r->n * sizeof *v);
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = n;
    return true;
}

/* ---- lists -------------------------------------------------------------------------------------------- */

bool starts_item(const struct token *t)
{
    return t->kind != T_END && t->kind != T_CLOSE && t->kind != T_AMP && t->kind != T_ROW &&
           t->kind != T_ENDENV && t->kind != T_COMMA && t->kind != T_SEMI && t->kind != T_SEP &&
           t->kind != T_SKIP && t->kind != T_OVER && t->kind != T_CHOOSE && t->kind != T_TO;
}

/* (n \in Z) behind an answer: a bracket that holds a relation is no factor. */
bool condition_ahead(struct parser *p)
{
    const struct token *t = peek(p);
    if (t->kind != T_OPEN || t->value != '(' || t->match < 0) return false;
    return (t[1].kind == T_SYM && t[2].kind == T_REL) || (t[1].kind == T_SEP && t[1].value == 'f');
}

/* Takes separators between two items. 0: none; else , ; a(nd) o(r) f(or all). */
static int separator(struct parser *p)
{
    int found = 0, at = p->at;
    for (;;) {
        struct token *t = peek(p);
        if (!found && condition_ahead(p)) return 'f';
        int here = t->kind == T_COMMA  ? ','
                   : t->kind == T_SEMI ? ';'
                   : t->kind == T_SEP  ? t->value
                   : t->kind == T_SKIP ? 'q'
                   : t->kind == T_TEXT && p->at > at - 1 && is_condition_word(t->text) ? ','
                                                                                       : 0;
        if (!here) break;
        if (found == ',' && here == ',' && t->kind == T_COMMA)
            return ','; /* ,, is an error of the next item */
        if (!found || found == 'q' || here == 'o' || here == ';' || here == 'f') found = here;
        p->at++;
    }
    return found;
}

struct node *bare_list(struct parser *p, const struct row *items, int mark)
{
    if (items->n == 1) return items->v[0];
    struct node *out = node_of(p->w, K_SEQ, 0, items->v, items->n);
    if (out) out->rows = (short)mark;
    return out;
}

/* What stands behind "for all", the token before: a lone letter is any number of the set that it names. */
static struct node *quantified(struct parser *p)
{
    static const char sign[] = {R_IN, 0};
    const char *set = p->at && p->t[p->at - 1].kind == T_SEP ? p->t[p->at - 1].text : NULL;
    struct node *item = parse_relation(p);
    if (!item || item->kind != K_SYM) return item;
    struct node *all = node_of(p->w, K_NUMSET, set ? *set : 'R', NULL, 0);
    return node_named(p->w, K_REL, sign, (struct node *[]){item, all}, 2);
}

static struct node *parse_items(struct parser *p)
{
    struct row groups = {0}, items = {0};
    int mark = ',', sep = 0;
    bool semicolons = false;
    /* "for all x, f(x) = 2x": the condition goes to the end */
    struct node *condition = take(p, T_SEP, 'f') ? quantified(p) : NULL;
    if (condition && !separator(p)) return condition;
    for (;;) {
        struct node *item = sep == 'f' ? quantified(p) : parse_relation(p);
        if (!row_push(p, &items, item)) return parse_fail(p, "an item is missing");
        int before = p->at;
        sep = separator(p);
        if (!sep) break;
        if (!starts_item(peek(p))) { /* a wide blank at the end; a comma there is an open list */
            if (sep != 'q' && sep != ';') return parse_fail(p, "nothing follows the comma");
            bool ends = peek(p)->kind == T_CLOSE || peek(p)->kind == T_END || peek(p)->kind == T_TO;
            if (ends || before == p->at) break;
            return parse_fail(p, "an item is missing");
        }
        if (sep == ';') {
            semicolons = true;
            if (!row_push(p, &groups, bare_list(p, &items, mark))) return NULL;
            items = (struct row){0};
        } else if (sep == 'o' || sep == 'a') {
            mark = sep;
        }
    }
    if (condition && !row_push(p, &items, condition)) return NULL;
    if (!semicolons) return bare_list(p, &items, mark);
    if (!row_push(p, &groups, bare_list(p, &items, mark))) return NULL;
    /* Groups of several items are tuples: p=5,q=2;p=7,q=2. */
    for (int i = 0; i < groups.n; i++)
        if (groups.v[i] && groups.v[i]->kind == K_SEQ && groups.v[i]->op == 0) {
            groups.v[i]->op = '(';
            groups.v[i]->rows = ')';
        }
    return bare_list(p, &groups, ';');
}

struct node *parse_list(struct parser *p)
{
    struct row steps = {0};
    char signs[64];
    int n = 0;
    if (peek(p)->kind == T_TO) /* "\therefore 5" */
        p->at++;
    else
        take(p, T_REL, R_EQ); /* "= 5" */
    for (;;) {
        while (take(p, T_SKIP, 0)) { /* \Rightarrow\quad */
        }
        if (!row_push(p, &steps, parse_items(p))) return NULL;
        if (peek(p)->kind != T_TO) break;
        int arrow = peek(p)->value;
        p->at++;
        if (!arrow)
            steps.n = n = 0; /* what follows from it is the answer */
        else if (n == (int)sizeof signs - 1)
            return parse_fail(p, "the chain of arrows is too long");
        else
            signs[n++] = (char)arrow;
    }
    signs[n] = 0;
    return n == 0 ? steps.v[0] : node_named(p->w, K_REL, signs, steps.v, steps.n);
}

/* a \over b, n \choose k */
struct node *parse_divided(struct parser *p)
{
    struct node *in = parse_list(p);
    if (!in || (peek(p)->kind != T_CHOOSE && peek(p)->kind != T_OVER)) return in;
    bool choose = peek(p)->kind == T_CHOOSE;
    p->at++;
    struct node *b = parse_list(p);
    return choose ? node_2(p->w, K_FN, F_BINOM, in, b) : node_2(p->w, K_DIV, 0, in, b);
}

/* ---- relations ---------------------------------------------------------------------------------------- */

static struct node *parse_ratio(struct parser *p)
{
    struct row parts = {0};
    do {
        if (!row_push(p, &parts, parse_sum(p))) return NULL;
    } while (take(p, T_OP, ':'));
    if (parts.n == 1) return parts.v[0];
    struct node *last = parts.v[parts.n - 1], *ratio;
    if (last->kind != K_UNIT) return node_of(p->w, K_RATIO, 0, parts.v, parts.n);
    parts.v[parts.n - 1] = last->arg[0]; /* 12:30 p.m.: the words belong to the whole */
    ratio = node_of(p->w, K_RATIO, 0, parts.v, parts.n);
    return node_named(p->w, K_UNIT, last->name, &ratio, 1);
}

/* {2} as an operand of sets is a set of one. */
static struct node *as_set(struct parser *p, struct node *n)
{
    if (!n || !is_expression(n) || n->kind == K_SYM || n->kind == K_APPLY) return n;
    struct node *out = node_1(p->w, K_SEQ, '{', n);
    if (out) out->rows = '}';
    return out;
}

/* A letter (also bold: \mathbf{R}) where a set must stand names the numbers. */
static struct node *as_number_set(struct parser *p, struct node *n)
{
    bool letter = n && n->kind == K_SYM && n->name[0] && !n->name[1] && strchr("RZQN", n->name[0]);
    return letter ? node_of(p->w, K_NUMSET, n->name[0], NULL, 0) : n;
}

static struct node *parse_member(struct parser *p)
{
    struct node *left = parse_ratio(p);
    while (!p->failed && peek(p)->kind == T_SET) {
        int op = peek(p)->value;
        p->at++;
        if (op == '\\' && peek(p)->kind == T_OPEN) left = as_number_set(p, left);
        left = node_2(p->w, K_SETOP, op, as_set(p, left), as_set(p, parse_ratio(p)));
    }
    /* the remark (mod m), in brackets of its own or made by \pmod */
    bool round = peek_is(p, T_OPEN, '(') && p->t[p->at + 1].kind == T_MOD;
    if (!p->failed && (round || peek_is(p, T_MOD, 'p'))) {
        p->at += round ? 2 : 1;
        struct node *m = round ? parse_sum(p) : parse_argument(p, false);
        if (round && !take(p, T_CLOSE, ')')) return parse_fail(p, "( is not closed");
        left = node_2(p->w, K_MOD, 0, left, m);
    }
    return left;
}

/* A member with what words made of it: 12 or more. The sign that these words are, or 0. */
static struct node *parse_worded(struct parser *p, int *sign)
{
    int outer = p->behind;
    p->behind = 0;
    struct node *n = parse_member(p);
    *sign = p->behind;
    p->behind = outer;
    return n;
}

struct node *parse_relation(struct parser *p)
{
    struct row members = {0};
    char signs[64];
    int n = 0, words = 0;
    int ahead = relation_ahead(p);
    struct node *first = p->failed ? NULL : parse_worded(p, &words);
    if (first && (ahead || words)) { /* the unknown is left out: < 12, at least 12, 12 or more */
        if (ahead && words && ahead != R_EQ) return parse_fail(p, "two bounds in words");
        signs[n++] = (char)(words ? words : ahead);
        if (!row_push(p, &members, node_sym(p->w, UNNAMED))) return NULL;
    }
    if (!row_push(p, &members, first)) return NULL;
    for (;;) {
        bool negated = peek(p)->kind == T_NOT && p->t[p->at + 1].kind == T_REL;
        if (negated) p->at++;
        if (peek(p)->kind != T_REL) break;
        int r = peek(p)->value;
        p->at++;
        if (peek(p)->kind == T_REL && peek(p)->value == R_EQ && (r == R_LT || r == R_GT)) { /* < = */
            p->at++;
            r = r == R_LT ? R_LE : R_GE;
        }
        if (n == (int)sizeof signs - 1) return parse_fail(p, "the chain of relations is too long");
        ahead = peek(p)->kind == T_TEXT ? relation_ahead(p) : 0;
        struct node *member = p->failed ? NULL : parse_worded(p, &words);
        if (r == R_IN) member = as_number_set(p, member);
        if (!row_push(p, &members, member)) return NULL;
        if (ahead || words) { /* x = at least 12 */
            if (r != R_EQ || negated || (ahead && words)) return parse_fail(p, "words beside a relation");
            r = words ? words : ahead;
        }
        signs[n++] = (char)(negated ? relation_negated(r) : r);
    }
    signs[n] = 0;
    if (n == 1 && signs[0] == R_EQ && members.v[1]->kind == K_MOD) signs[0] = R_EQUIV; /* x = 2 (mod 5) */
    return n == 0 ? first : node_named(p->w, K_REL, signs, members.v, members.n);
}

/* ---- sums and terms ----------------------------------------------------------------------------------- */

bool integral_ends(struct parser *p)
{
    return p->integral_depth == p->depth && p->differential;
}

/* \{5\} inside arithmetic is a bracket. */
static struct node *unwrapped(struct node *n)
{
    return n && n->kind == K_SEQ && n->op == '{' && n->n == 1 ? n->arg[0] : n;
}

static bool is_set_node(const struct node *n)
{
    return n->kind == K_NUMSET || n->kind == K_SETOP;
}

struct node *parse_sum(struct parser *p)
{
    struct row terms = {0};
    struct node *term = NULL;
    if (peek(p)->kind == T_PM) { /* \pm 3 */
        int sign = peek(p)->value;
        p->at++;
        term = node_2(p->w, K_PM, sign, node_int(p->w, 0), parse_term(p));
    } else {
        term = parse_term(p);
    }
    if (!row_push(p, &terms, term)) return parse_fail(p, "a term is missing");
    while (!p->failed && !integral_ends(p)) {
        struct token *t = peek(p);
        bool minus = t->kind == T_OP && t->value == '-';
        if (!minus && !(t->kind == T_OP && t->value == '+') && t->kind != T_PM) break;
        p->at++;
        struct node *left = terms.v[terms.n - 1];
        term = parse_term(p);
        if (minus && terms.n == 1 && is_set_node(left) && term && term->kind == K_SEQ) { /* R - {0} */
            terms.v[0] = node_2(p->w, K_SETOP, '\\', left, term);
            continue;
        }
        terms.v[terms.n - 1] = unwrapped(left);
        term = unwrapped(term);
        if (!term) return parse_fail(p, "a term is missing");
        if (t->kind == T_PM) {
            left = terms.n == 1 ? terms.v[0] : node_of(p->w, K_ADD, 0, terms.v, terms.n);
            terms.n = 0;
            term = node_2(p->w, K_PM, t->value, left, term);
        } else if (minus) {
            term = node_1(p->w, K_NEG, 0, term);
        }
        if (!row_push(p, &terms, term)) return NULL;
    }
    return terms.n == 1 ? terms.v[0] : node_of(p->w, K_ADD, 0, terms.v, terms.n);
}

static struct node *product_of(struct parser *p, struct row *f)
{
    if (f->n == 1) return f->v[0];
    for (int i = 0; i < f->n; i++) f->v[i] = unwrapped(f->v[i]);
    return node_of(p->w, K_MUL, 0, f->v, f->n);
}

/* Whether two numbers stand around this slash, so that 1/2x is one half of x. */
static bool plain_fraction(struct parser *p, const struct row *f)
{
    if (f->n != 1 || peek(p)->kind != T_NUM) return false;
    const struct node *left = f->v[0];
    if (left->kind == K_NEG) left = left->arg[0];
    return left->kind == K_NUM;
}

/* A run of factors side by side, added to f. */
static bool parse_product(struct parser *p, struct row *f)
{
    if (!row_push(p, f, parse_factor(p))) return false;
    while (!p->failed && starts_factor(p) && !integral_ends(p)) {
        bool two_numbers =
            peek(p)->kind == T_NUM && p->t[p->at - 1].kind == T_NUM && p->t[p->at + 1].kind != T_FRAC;
        if (two_numbers) return parse_fail(p, "two numbers side by side") != NULL;
        if (!row_push(p, f, parse_factor(p))) return false;
    }
    return true;
}

static struct node *divided(struct parser *p, struct row *f)
{
    struct row below = {0};
    bool plain = plain_fraction(p, f);
    struct node *left = product_of(p, f), *right;
    if (plain) {
        right = parse_factor(p);
    } else {
        if (!parse_product(p, &below)) return NULL;
        right = product_of(p, &below);
    }
    return node_2(p->w, K_DIV, 0, left, unwrapped(right));
}

struct node *parse_term(struct parser *p)
{
    struct row f = {0};
    if (!parse_product(p, &f)) return NULL;
    while (!p->failed && !integral_ends(p)) {
        struct token *t = peek(p);
        bool mod = t->kind == T_MOD && t->value != 'p';
        if (t->kind == T_OP && t->value == '*') {
            p->at++;
            if (!parse_product(p, &f)) return NULL;
        } else if ((t->kind == T_OP && t->value == '/') || mod) {
            p->at++;
            struct node *left = mod ? product_of(p, &f) : NULL, *value;
            if (mod) {
                struct row right = {0};
                if (!parse_product(p, &right)) return NULL;
                value = node_2(p->w, K_FN, F_MODULO, left, product_of(p, &right));
            } else {
                value = divided(p, &f);
            }
            f = (struct row){0};
            if (!row_push(p, &f, value)) return NULL;
            while (!p->failed && starts_factor(p) && !integral_ends(p))
                if (!row_push(p, &f, parse_factor(p))) return NULL;
        } else {
            break;
        }
    }
    struct node *value = product_of(p, &f);
    return peek(p)->kind == T_TEXT && !p->failed ? parse_units(p, value) : value;
}

/* ---- entry -------------------------------------------------------------------------------------------- */

/* Marks at the end of a sentence; dots of an unfinished list stay. */
static size_t end_cut(const char *s, size_t n)
{
    for (;;) {
        while (n && isspace((unsigned char)s[n - 1])) n--;
        if (n >= 2 && s[n - 1] == '\\' && s[n - 2] != '\\') {
            n--;
        } else if (n && strchr(".,;:", s[n - 1]) && !(n >= 2 && s[n - 2] == '\\') &&
                   !(n >= 2 && s[n - 1] == '.' && s[n - 2] == '.')) {
            if (n >= 5 && memcmp(s + n - 5, "right.", 5) == 0) return n;
            n--;
        } else {
            return n;
        }
    }
}

/* Does a row of an environment end at s? *depth counts the environments. */
static bool row_ends(const char *s, int *depth)
{
    *depth += (strncmp(s, "\\begin{", 7) == 0) - (strncmp(s, "\\end{", 5) == 0);
    return strncmp(s, "\\end{", 5) == 0 || (*depth > 0 && strncmp(s, "\\\\", 2) == 0);
}

/* Rows of cases and systems are typeset as parts of a sentence: a mark at the end of one is punctuation. */
static void row_marks_cut(struct str *s)
{
    size_t n = 0;
    int depth = 0;
    for (size_t i = 0; i < s->len; i++) {
        size_t end = n;
        if (s->p[i] == '\\' && row_ends(s->p + i, &depth)) {
            while (end && (isspace((unsigned char)s->p[end - 1]) ||
                           (s->p[end - 1] == '}' && (end < 2 || s->p[end - 2] != '\\'))))
                end--;
            size_t kept = end_cut(s->p, end);
            memmove(s->p + kept, s->p + end, n - end);
            n -= end - kept;
        }
        s->p[n++] = s->p[i];
        if (s->p[i] == '\\' && i + 1 < s->len) s->p[n++] = s->p[++i];
    }
    s->len = n;
    s->p[n] = 0;
}

/* A text cut off in a box lacks braces at its end; another has one too many. */
static void braces_mend(struct str *s)
{
    int depth = 0, lowest = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (s->p[i] == '\\') {
            i++;
        } else {
            depth += (s->p[i] == '{') - (s->p[i] == '}');
            if (depth < lowest) lowest = depth;
        }
    }
    if (lowest < 0 && depth == lowest)
        while (depth < 0 && s->len && s->p[s->len - 1] == '}') {
            s->p[--s->len] = 0;
            depth++;
        }
    for (; lowest >= 0 && depth > 0 && depth <= 4; depth--) str_puts(s, "}");
}

struct node *math_parse(struct work *w, const char *s, size_t n, enum style style, const char **why)
{
    struct parser p = {.w = w, .style = style, .integral_depth = -1, .why = "it is no formula"};
    struct str clean;
    struct node *out = NULL;
    *why = p.why;
    if (n > FORMULA_BYTES_MAX) {
        *why = "the formula is too long";
        w->over = *why;
        return NULL;
    }
    str_init(&clean, FORMULA_BYTES_MAX * 8);
    clean_math(s, n, style, &clean);
    while (clean.len && isspace((unsigned char)clean.p[clean.len - 1])) clean.p[--clean.len] = 0;
    braces_mend(&clean);
    if (clean.len) row_marks_cut(&clean);
    p.src_n = end_cut(clean.p, clean.len);
    p.src = work_text(w, clean.p, p.src_n);
    str_release(&clean);
    if (p.src && p.src_n && lex(&p, p.src, p.src_n)) {
        out = parse_divided(&p);
        if (p.failed || peek(&p)->kind != T_END) out = NULL;
    }
    *why = w->over ? w->over : p.failed ? p.why : "it is no formula";
    return w->over ? NULL : out;
}
