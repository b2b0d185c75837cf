/* realset.c: subsets of the real line as sorted pieces: intervals, points, unions, and what inequalities
 * allow. */
#include <string.h>

#include "verify/explain.h"

#define PIECES_MAX ((int)(sizeof((struct realset *)0)->piece / sizeof(struct piece)))

/* ---- pieces ------------------------------------------------------------------------------------------- */

static bool is_inf(const struct node *n)
{
    if (n->kind == K_NEG) n = n->arg[0];
    return n->kind == K_CONST && n->op == C_INF;
}

static bool add(struct realset *s, struct piece p)
{
    if (s->n == PIECES_MAX) return false;
    if (p.lo && is_inf(p.lo)) p.lo = NULL;
    if (p.hi && is_inf(p.hi)) p.hi = NULL;
    if (!p.lo) p.lo_in = false;
    if (!p.hi) p.hi_in = false;
    s->piece[s->n++] = p;
    return true;
}

/* -1, 0, 1; 2 unknown. NULL is minus infinity as a lower end. */
static int lower_order(struct judge *j, const struct piece *a, const struct piece *b)
{
    if (!a->lo || !b->lo) return (a->lo != NULL) - (b->lo != NULL);
    int o = order_of(j, a->lo, b->lo);
    return o ? o : (int)b->lo_in - (int)a->lo_in;
}

static int upper_order(struct judge *j, const struct piece *a, const struct piece *b)
{
    if (!a->hi || !b->hi) return (b->hi != NULL) - (a->hi != NULL);
    int o = order_of(j, a->hi, b->hi);
    return o ? o : (int)a->hi_in - (int)b->hi_in;
}

/* Nothing between lo and hi? -1 cannot be said. */
static int is_empty(struct judge *j, const struct piece *p)
{
    if (!p->lo || !p->hi) return 0;
    int o = order_of(j, p->lo, p->hi);
    if (o == 2) return -1;
    return o > 0 || (o == 0 && !(p->lo_in && p->hi_in));
}

/* Do a and b (a not above b) touch, so that they are one piece? -1 cannot be said. */
static int touches(struct judge *j, const struct piece *a, const struct piece *b)
{
    if (!a->hi || !b->lo) return 1;
    int o = order_of(j, a->hi, b->lo);
    if (o == 2) return -1;
    return o > 0 || (o == 0 && (a->hi_in || b->lo_in));
}

/* The least whole number not below (up) or the greatest not above an end; false: it cannot be said. */
static bool whole_end(struct judge *j, const struct node *end, bool in, bool up, fmpz_t out)
{
    struct env env = {.n = 0};
    struct eval v = {.w = j->w, .env = &env, .prec = 128};
    acb_t x;
    fmpq_t q;
    acb_init(x);
    fmpq_init(q);
    bool known = exact_value(j->w, end, q);
    if (known) {
        if (up)
            fmpz_cdiv_q(out, fmpq_numref(q), fmpq_denref(q));
        else
            fmpz_fdiv_q(out, fmpq_numref(q), fmpq_denref(q));
        if (fmpz_is_one(fmpq_denref(q)) && !in) fmpz_add_si(out, out, up ? 1 : -1);
    } else if (eval_node(&v, end, x)) { /* no whole number, if one side of it is known */
        if (up)
            arb_ceil(acb_realref(x), acb_realref(x), 128);
        else
            arb_floor(acb_realref(x), acb_realref(x), 128);
        known = arb_get_unique_fmpz(out, acb_realref(x));
    }
    acb_clear(x);
    fmpq_clear(q);
    return known && fmpz_fits_si(out);
}

/* The pieces of a set of whole numbers with whole ends; where all are short, its points. */
static bool whole_pieces(struct judge *j, struct realset *s)
{
    struct realset points = {.n = 0};
    bool few = true, good = true;
    fmpz_t lo, hi;
    fmpz_init(lo);
    fmpz_init(hi);
    for (int i = 0; i < s->n && good; i++) {
        struct piece *p = &s->piece[i];
        if (p->lo) good = whole_end(j, p->lo, p->lo_in, true, lo);
        if (p->hi) good = good && whole_end(j, p->hi, p->hi_in, false, hi);
        if (!good) break;
        if (p->lo) p->lo = node_int(j->w, fmpz_get_si(lo)), p->lo_in = true;
        if (p->hi) p->hi = node_int(j->w, fmpz_get_si(hi)), p->hi_in = true;
        few = few && p->lo && p->hi && fmpz_get_si(hi) / 2 - fmpz_get_si(lo) / 2 < PIECES_MAX;
        for (slong k = few ? fmpz_get_si(lo) : 0; few && k <= fmpz_get_si(hi); k++) {
            struct node *point = node_int(j->w, k);
            few = add(&points, (struct piece){point, point, true, true});
        }
    }
    fmpz_clear(lo);
    fmpz_clear(hi);
    if (good && few) *s = points;
    return good;
}

/* Sorted, without empty pieces, merged. */
static bool normal(struct judge *j, struct realset *s)
{
    int n = 0;
    if (s->whole && !whole_pieces(j, s)) return false;
    for (int i = 0; i < s->n; i++) {
        int empty = is_empty(j, &s->piece[i]);
        if (empty < 0) return false;
        if (!empty) s->piece[n++] = s->piece[i];
    }
    s->n = n;
    for (int i = 1; i < s->n; i++)
        for (int k = i; k > 0; k--) {
            int o = lower_order(j, &s->piece[k], &s->piece[k - 1]);
            if (o == 2) return false;
            if (o >= 0) break;
            struct piece t = s->piece[k];
            s->piece[k] = s->piece[k - 1];
            s->piece[k - 1] = t;
        }
    n = 0;
    for (int i = 1; i < s->n; i++) {
        int one = touches(j, &s->piece[n], &s->piece[i]);
        if (one < 0) return false;
        if (!one) {
            s->piece[++n] = s->piece[i];
            continue;
        }
        int o = upper_order(j, &s->piece[n], &s->piece[i]);
        if (o == 2) return false;
        if (o < 0) {
            s->piece[n].hi = s->piece[i].hi;
            s->piece[n].hi_in = s->piece[i].hi_in;
        }
    }
    if (s->n) s->n = n + 1;
    return true;
}

static bool intersect(struct judge *j, const struct realset *a, const struct realset *b, struct realset *out)
{
    out->n = 0;
    out->whole = a->whole || b->whole;
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++) {
            const struct piece *p = &a->piece[i], *q = &b->piece[k];
            int lo = lower_order(j, p, q), hi = upper_order(j, p, q);
            if (lo == 2 || hi == 2) return false;
            const struct piece *low = lo >= 0 ? p : q, *high = hi <= 0 ? p : q;
            if (!add(out, (struct piece){low->lo, high->hi, low->lo_in, high->hi_in})) return false;
        }
    return normal(j, out);
}

static bool complement(struct judge *j, struct realset *s, struct realset *out)
{
    out->n = 0;
    out->whole = false;
    if (!normal(j, s) || s->whole) return false;
    struct piece gap = {0};
    for (int i = 0; i < s->n; i++) {
        gap.hi = s->piece[i].lo;
        gap.hi_in = !s->piece[i].lo_in;
        if (s->piece[i].lo && !add(out, gap)) return false;
        gap = (struct piece){.lo = s->piece[i].hi, .lo_in = !s->piece[i].hi_in};
        if (!s->piece[i].hi) return true;
    }
    return add(out, gap);
}

static bool join(const struct realset *a, struct realset *out)
{
    if (out->n == 0) out->whole = a->whole;
    if (a->whole != out->whole && a->n) return false;
    for (int i = 0; i < a->n; i++)
        if (!add(out, a->piece[i])) return false;
    return true;
}

/* The values that a builder's letter may take, the condition and the set before the bar taken together; the
 * letter, NULL when they are not known. */
static const char *builder_set(struct judge *j, struct node *n, struct realset *out);

/* ---- from sets ---------------------------------------------------------------------------------------- */

static bool is_end(const struct node *n)
{
    struct names names = {0};
    if (!is_expression(n) || node_has(n, K_PM)) return false;
    names_free_in(n, &names);
    return names.n == 0;
}

static bool is_interval(const struct node *n)
{
    return n->kind == K_SEQ && n->n == 2 && (n->op == '(' || n->op == '[') && is_end(n->arg[0]) &&
           is_end(n->arg[1]);
}

static bool difference(struct judge *j, struct node *a, struct node *b, struct realset *out)
{
    struct realset left, right, outside;
    return realset_of(j, a, &left) && realset_of(j, b, &right) && complement(j, &right, &outside) &&
           intersect(j, &left, &outside, out);
}

bool realset_of(struct judge *j, struct node *n, struct realset *out)
{
    struct realset a, b;
    *out = (struct realset){.n = 0};
    if (!work_step(j->w, 1)) return false;
    switch ((enum kind)n->kind) {
    case K_NUMSET:
        if (n->op == 'E') return true;
        out->whole = n->op == 'Z' || n->op == 'N';
        if (n->op == 'N') return add(out, (struct piece){.lo = node_int(j->w, 1), .lo_in = true});
        return (n->op == 'R' || n->op == 'Z') && add(out, (struct piece){0});
    case K_SEQ:
        if (is_interval(n)) {
            int o = order_of(j, n->arg[0], n->arg[1]);
            if (o != -1 && !(o == 0 && n->op == '[' && n->rows == ']')) return false;
            return add(out, (struct piece){n->arg[0], n->arg[1], n->op == '[', n->rows == ']'});
        }
        if (n->op == '{') {
            for (int i = 0; i < n->n; i++)
                if (!is_end(n->arg[i]) || !add(out, (struct piece){n->arg[i], n->arg[i], true, true}))
                    return false;
            return normal(j, out);
        }
        if (n->op == 0 && (n->rows == 'o' || is_interval(n->arg[0]))) {
            for (int i = 0; i < n->n; i++)
                if (!realset_of(j, n->arg[i], &a) || !join(&a, out)) return false;
            return normal(j, out);
        }
        return false;
    case K_SETOP:
        if (n->op == '\\') return difference(j, n->arg[0], n->arg[1], out);
        if (!realset_of(j, n->arg[0], &a) || !realset_of(j, n->arg[1], &b)) return false;
        if (n->op == 'n') return intersect(j, &a, &b, out);
        return join(&a, out) && join(&b, out) && normal(j, out);
    case K_BUILDER: return (n->arg[0]->kind == K_SYM || n->arg[0]->kind == K_REL) &&
                            builder_set(j, n, out) != NULL;
    default: return false;
    }
}

/* ---- from relations ----------------------------------------------------------------------------------- */

static int mirrored(int r)
{
    return r == R_LT ? R_GT : r == R_GT ? R_LT : r == R_LE ? R_GE : r == R_GE ? R_LE : r;
}

/* x r c */
static bool half_line(struct judge *j, int r, struct node *c, struct realset *out)
{
    struct realset point = {.n = 0};
    switch (r) {
    case R_LT:
    case R_LE: return add(out, (struct piece){NULL, c, false, r == R_LE});
    case R_GT:
    case R_GE: return add(out, (struct piece){c, NULL, r == R_GE, false});
    case R_EQ: return add(out, (struct piece){c, c, true, true});
    case R_NE: return add(&point, (struct piece){c, c, true, true}) && complement(j, &point, out);
    default: return false;
    }
}

static struct node *relation(struct judge *j, struct node *a, int r, struct node *b)
{
    char sign[2] = {(char)r, 0};
    return node_named(j->w, K_REL, sign, (struct node *[]){a, b}, 2);
}

/* |e| r c: below, both bounds hold; above, one of them. */
static bool absolute(struct judge *j, struct node *e, int r, struct node *c, struct realset *out)
{
    struct realset a, b;
    const char *var = NULL;
    struct node *minus = node_1(j->w, K_NEG, 0, c);
    struct node *upper = relation(j, e, r, c), *lower = relation(j, e, mirrored(r), minus);
    if (!upper || !lower || order_of(j, c, node_int(j->w, 0)) != 1) return false;
    if (!realset_from_relation(j, upper, &var, &a) || !realset_from_relation(j, lower, &var, &b))
        return false;
    if (r == R_LT || r == R_LE || r == R_NE) return intersect(j, &a, &b, out);
    return join(&a, out) && join(&b, out) && normal(j, out);
}

/* Real roots of c[0] + c[1] x (+ c[2] x^2), ascending, as formulas. */
static int roots_of(struct judge *j, fmpq *c, int degree, struct node *root[2])
{
    struct work *w = j->w;
    fmpq_t q;
    int n = 0;
    fmpq_init(q);
    if (degree == 1) {
        fmpq_div(q, &c[0], &c[1]);
        fmpq_neg(q, q);
        root[n++] = node_num(w, q);
    } else {
        fmpq_t d;
        fmpq_init(d);
        fmpq_mul(d, &c[1], &c[1]);
        fmpq_mul(q, &c[0], &c[2]);
        fmpq_mul_si(q, q, 4);
        fmpq_sub(d, d, q); /* b^2 - 4ac */
        int sign = fmpq_sgn(d);
        struct node *sqrt_d = node_2(w, K_ROOT, 0, node_num(w, d), node_int(w, 2));
        fmpq_mul_si(q, &c[2], 2);
        struct node *below = node_num(w, q);
        fmpq_neg(d, &c[1]);
        struct node *b = node_num(w, d);
        struct node *low = node_2(w, K_ADD, 0, b, fmpq_sgn(q) > 0 ? node_1(w, K_NEG, 0, sqrt_d) : sqrt_d);
        struct node *high = node_2(w, K_ADD, 0, b, fmpq_sgn(q) > 0 ? sqrt_d : node_1(w, K_NEG, 0, sqrt_d));
        if (sign >= 0) root[n++] = node_2(w, K_DIV, 0, low, below);
        if (sign > 0) root[n++] = node_2(w, K_DIV, 0, high, below);
        fmpq_clear(d);
    }
    fmpq_clear(q);
    return n;
}

/* A polynomial of degree 1 or 2 against zero. */
static bool polynomial(struct judge *j, struct node *left, int r, struct node *right, const char *var,
                       struct realset *out)
{
    fmpq c[3];
    struct node *root[2] = {NULL, NULL};
    struct realset equal = {.n = 0}, inside = {.n = 0};
    for (int i = 0; i < 3; i++) fmpq_init(&c[i]);
    struct node *d = node_2(j->w, K_ADD, 0, left, node_1(j->w, K_NEG, 0, right));
    int degree = d ? poly_coefficients(j->w, d, var, c, 3) : -1, n = 0;
    int lead = degree >= 1 ? fmpq_sgn(&c[degree]) : 0;
    bool good = degree >= 1;
    if (good) n = roots_of(j, c, degree, root);
    for (int i = 0; i < 3; i++) fmpq_clear(&c[i]);
    for (int i = 0; i < n; i++)
        if (!root[i]) return false;
    if (!good) return false;
    if (degree == 1) return half_line(j, lead > 0 ? r : mirrored(r), root[0], out);
    for (int i = 0; i < n; i++) add(&equal, (struct piece){root[i], root[i], true, true});
    if (r == R_EQ) return join(&equal, out);
    if (r == R_NE) return complement(j, &equal, out);
    bool strict = r == R_LT || r == R_GT, below = (r == R_LT || r == R_LE) == (lead > 0);
    /* Between the roots the sign is that of -lead. */
    if (n == 2)
        add(&inside, (struct piece){root[0], root[1], below ? !strict : strict, below ? !strict : strict});
    if (n == 1 && (below ? !strict : strict)) inside = equal;
    return below ? join(&inside, out) : complement(j, &inside, out);
}

static bool pair_set(struct judge *j, struct node *a, int r, struct node *b, const char *var,
                     struct realset *out)
{
    *out = (struct realset){.n = 0};
    bool left = node_uses(a, var), right = node_uses(b, var);
    if (r == R_IN && a->kind == K_SYM) return realset_of(j, b, out);
    if (r < R_EQ || r > R_GE || !is_expression(a) || !is_expression(b)) return false;
    if (!left && right) return pair_set(j, b, mirrored(r), a, var, out);
    if (!left) return false;
    if (a->kind == K_SYM && !right) return half_line(j, r, b, out);
    if (a->kind == K_FN && a->op == F_ABS && !right) return absolute(j, a->arg[0], r, b, out);
    return polynomial(j, a, r, b, var, out);
}

/* Inequalities side by side: "or" joins, "and" intersects; a comma is an "or" where an "and" would leave
 * nothing. */
static bool listed(struct judge *j, struct node *n, const char **var, struct realset *out)
{
    struct realset all = {.n = 0}, any = {.n = 0}, one, both;
    bool joined = true;
    add(&all, (struct piece){0});
    for (int i = 0; i < n->n; i++) {
        if (!realset_from_relation(j, n->arg[i], var, &one)) return false;
        joined = joined && join(&one, &any);
        if (!intersect(j, &all, &one, &both)) return false;
        all = both;
    }
    bool either = n->rows == 'o' || (n->rows != 'a' && all.n == 0);
    *out = either ? any : all;
    return (!either || joined) && normal(j, out);
}

bool realset_from_relation(struct judge *j, struct node *n, const char **var, struct realset *out)
{
    struct names names = {0};
    struct realset all = {.n = 0}, one, both;
    *out = all;
    names_free_in(n, &names);
    if (names.n != 1 || (*var && strcmp(*var, names.name[0]) != 0)) return false;
    *var = names.name[0];
    if (n->kind == K_BUILDER) return realset_of(j, n, out);
    if (n->kind == K_SEQ && n->op == 0) return listed(j, n, var, out);
    if (n->kind != K_REL || n->n < 2) return false;
    add(&all, (struct piece){0});
    for (int i = 0; i + 1 < n->n; i++) {
        if (!pair_set(j, n->arg[i], n->name[i], n->arg[i + 1], *var, &one) ||
            !intersect(j, &all, &one, &both))
            return false;
        all = both;
    }
    *out = all;
    return true;
}

static const char *builder_set(struct judge *j, struct node *n, struct realset *out)
{
    struct node *what = n->arg[0];
    bool member = what->kind == K_REL && what->n == 2 && what->name[0] == R_IN && what->arg[0]->kind == K_SYM;
    struct realset values, domain = {.n = 0};
    const char *letter = member ? what->arg[0]->name : NULL;
    if (what->kind == K_SYM) letter = what->name;
    if (!realset_from_relation(j, n->arg[1], &letter, &values)) return NULL;
    if (member ? !realset_of(j, what->arg[1], &domain) : !add(&domain, (struct piece){0})) return NULL;
    return intersect(j, &values, &domain, out) ? letter : NULL;
}

struct node *builder_listed(struct judge *j, struct node *n)
{
    struct realset s;
    struct node *items[PIECES_MAX], *what = n->kind == K_BUILDER ? n->arg[0] : NULL;
    const char *letter = what ? builder_set(j, n, &s) : NULL;
    bool member = letter && what->kind == K_REL;
    if (!letter || s.n == 0 || (!member && !is_expression(what))) return n;
    for (int i = 0; i < s.n; i++) {
        if (!s.piece[i].lo || s.piece[i].lo != s.piece[i].hi) return n;
        items[i] = member ? s.piece[i].lo : node_replace(j->w, what, letter, s.piece[i].lo);
    }
    struct node *out = node_of(j->w, K_SEQ, '{', items, s.n);
    if (out) out->rows = '}';
    return out;
}

/* [1, 2) U {3} U (4, oo) */
static void pieces_show(struct judge *j, const struct realset *s, const char *label)
{
    struct str text;
    if (!j->w->explain) return;
    str_init(&text, 1000);
    if (s->n == 0) str_puts(&text, "empty");
    for (int i = 0; i < s->n; i++) {
        const struct piece *p = &s->piece[i];
        str_addf(&text, "%s%c", i ? " U " : "", p->lo_in ? '[' : '(');
        if (p->lo)
            node_print(p->lo, &text);
        else
            str_puts(&text, "-oo");
        str_puts(&text, ", ");
        if (p->hi)
            node_print(p->hi, &text);
        else
            str_puts(&text, "oo");
        str_puts(&text, p->hi_in ? "]" : ")");
    }
    explain_line(j->w->explain, label, "%s%s", s->whole ? "whole numbers in " : "", text.p);
    str_release(&text);
}

enum truth realset_same(struct judge *j, struct realset *a, struct realset *b)
{
    if (!normal(j, a) || !normal(j, b)) {
        judge_say(j, "the ends of the intervals could not be ordered");
        return UNKNOWN;
    }
    pieces_show(j, a, "pieces");
    pieces_show(j, b, "");
    bool same = a->n == b->n && a->whole == b->whole;
    for (int i = 0; i < a->n && same; i++) {
        int lo = lower_order(j, &a->piece[i], &b->piece[i]), hi = upper_order(j, &a->piece[i], &b->piece[i]);
        if (lo == 2 || hi == 2) return UNKNOWN;
        same = lo == 0 && hi == 0;
    }
    judge_say(j, same ? "the same subset of the real line" : "different subsets of the real line");
    return same ? YES : NO;
}
