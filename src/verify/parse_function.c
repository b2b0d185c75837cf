/* parse_function.c: named functions and their arguments, sums, products, integrals, limits, derivatives. */
#include <string.h>

#include "verify/parse_int.h"

static bool takes_many(int f)
{
    return f == F_GCD || f == F_LCM || f == F_MIN || f == F_MAX;
}

static enum function inverse_of(int f)
{
    if (f >= F_SIN && f <= F_CSC) return (enum function)(f - F_SIN + F_ASIN);
    if (f >= F_SINH && f <= F_TANH) return (enum function)(f - F_SINH + F_ASINH);
    return F_NONE;
}

/* Without brackets: a product up to the next function; x/6 belongs to it when a number is below. */
static struct node *open_argument(struct parser *p)
{
    struct row f = {0};
    if (!starts_factor(p) && !peek_is(p, T_OP, '-')) return parse_fail(p, "the function has no argument");
    do {
        if (!row_push(p, &f, parse_factor(p))) return NULL;
    } while (!p->failed && starts_factor(p) && !integral_ends(p) && peek(p)->kind != T_FN &&
             peek(p)->kind != T_BIG);
    struct node *product = f.n == 1 ? f.v[0] : node_of(p->w, K_MUL, 0, f.v, f.n);
    if (peek_is(p, T_OP, '/') && p->t[p->at + 1].kind == T_NUM) {
        p->at++;
        product = node_2(p->w, K_DIV, 0, product, parse_factor(p));
    }
    return product;
}

/* \max f, \max_{x \in A} f(x), \min: extremes of a function, which are names. */
static struct node *extreme_of(struct parser *p, int f)
{
    const char *name = f == F_MAX ? "max" : "min";
    if (!starts_factor(p)) return node_sym(p->w, name);
    struct node *of = parse_factor(p);
    return node_named(p->w, K_APPLY, name, &of, 1);
}

static struct node *many_arguments(struct parser *p, int f, bool below)
{
    bool extreme = f == F_MAX || f == F_MIN;
    if (extreme && (below || peek(p)->kind != T_OPEN)) return extreme_of(p, f);
    if (peek(p)->kind != T_OPEN) return parse_fail(p, "the function has no arguments");
    struct node *in = parse_bracket(p);
    if (!in) return NULL;
    return in->kind == K_SEQ ? node_of(p->w, K_FN, f, in->arg, in->n) : node_1(p->w, K_FN, f, in);
}

static struct node *function_of(struct parser *p, int f, struct node *base)
{
    if (takes_many(f)) return many_arguments(p, f, base != NULL);
    bool bracket =
        peek(p)->kind == T_OPEN && peek(p)->value != 'f' && peek(p)->value != 'c' && peek(p)->match > 0;
    struct node *x = bracket ? parse_bracket(p) : open_argument(p);
    if (bracket && x && x->kind == K_SEQ && x->op == '{' && x->n == 1) x = x->arg[0];
    if (bracket && x && x->kind == K_SEQ && x->n == 2 && (f == F_LOG || f == F_ROUND)) /* log(x, b) */
        return node_2(p->w, K_FN, f, x->arg[0], x->arg[1]);
    if (f == F_LOG) return node_2(p->w, K_FN, F_LOG, x, base ? base : node_int(p->w, 10));
    return node_1(p->w, K_FN, f, x);
}

/* \operatorname{erf}(x), \operatorname{Tr}^2 A: what the function does is not known. */
static struct node *named_function(struct parser *p)
{
    const char *name = peek(p)->text;
    p->at++;
    struct node *power = take(p, T_OP, '^') ? parse_argument(p, true) : NULL;
    if (power && power->kind == K_NEG) return parse_fail(p, "the inverse of the function is not known");
    struct node *value = NULL;
    if (!p->failed && peek_is(p, T_OPEN, '(') && peek(p)->match > 0)
        value = parse_call(p, name);
    else if (!p->failed && (value = open_argument(p)))
        value = node_named(p->w, K_APPLY, name, &value, 1);
    return power ? node_2(p->w, K_POW, 0, value, power) : value;
}

struct node *parse_function(struct parser *p)
{
    int f = peek(p)->value;
    if (f == F_NONE) return named_function(p);
    struct node *base = NULL, *power = NULL;
    p->at++;
    for (int k = 0; k < 2 && !p->failed; k++) {
        if (!base && f == F_LOG && take(p, T_OP, '_')) {
            base = parse_argument(p, !(p->t[p->at + 1].blank || p->t[p->at + 1].kind != T_SYM));
            if (!base) return NULL;
        } else if (!power && take(p, T_OP, '^')) {
            power = parse_argument(p, true);
            if (!power) return NULL;
        } else if ((f == F_MAX || f == F_MIN) && take(p, T_OP, '_')) { /* where the extreme is sought */
            const struct token *t = peek(p);
            if (t->kind == T_END) return parse_fail(p, "a subscript is missing");
            p->at = t->kind == T_OPEN && t->match > 0 ? t->match + 1 : p->at + 1;
            base = node_int(p->w, 1);
        } else if (takes_many(f) && peek_is(p, T_OP, '_')) {
            return parse_fail(p, "a subscript at a function");
        }
    }
    if (power && node_is_int(power, -1)) power = NULL, f = inverse_of(f) ? inverse_of(f) : F_NONE;
    if (power && power->kind == K_NEG && node_is_int(power->arg[0], 1) && inverse_of(f)) {
        f = inverse_of(f);
        power = NULL;
    }
    if (f == F_NONE) return parse_fail(p, "the inverse of the function is not known");
    struct node *value = p->failed ? NULL : function_of(p, f, base);
    return power ? node_2(p->w, K_POW, 0, value, power) : value;
}

/* ---- running variables -------------------------------------------------------------------------------- */

static bool bind(struct parser *p, const char *name)
{
    if (p->n_bound == (int)(sizeof p->bound / sizeof *p->bound))
        return parse_fail(p, "too many running variables") != NULL;
    p->bound[p->n_bound++] = name;
    return true;
}

/* _{k=1}^{n} in either order: the name, lower and upper end. */
static bool sum_range(struct parser *p, const char **name, struct node **lo, struct node **hi)
{
    *lo = *hi = NULL;
    for (int k = 0; k < 2; k++) {
        if (!*lo && take(p, T_OP, '_')) {
            bool group = take(p, T_OPEN, 'g');
            if (peek(p)->kind != T_SYM) return false;
            *name = peek(p)->text;
            p->at++;
            if (!group || !take(p, T_REL, R_EQ)) return false;
            *lo = parse_sum(p);
            if (!*lo || !take(p, T_CLOSE, 'g')) return false;
        } else if (!*hi && take(p, T_OP, '^')) {
            *hi = parse_argument(p, true);
        }
    }
    return *lo && *hi;
}

static struct node *parse_sum_of(struct parser *p, int f)
{
    const char *name = NULL;
    struct node *lo, *hi;
    if (!sum_range(p, &name, &lo, &hi) || !name) return parse_fail(p, "the range of a sum is not understood");
    if (!bind(p, name)) return NULL;
    struct node *body = parse_term(p);
    p->n_bound--;
    return node_of(p->w, K_FN, f, (struct node *[]){body, node_sym(p->w, name), lo, hi}, 4);
}

static bool empty_group(struct parser *p)
{
    if (!peek_is(p, T_OPEN, 'g') || p->t[p->at + 1].kind != T_CLOSE) return false;
    p->at += 2;
    return true;
}

static struct node *parse_integral(struct parser *p)
{
    struct node *lo = NULL, *hi = NULL;
    for (int k = 0; k < 2 && !p->failed; k++) {
        if (!lo && take(p, T_OP, '_')) {
            if (!empty_group(p)) lo = parse_argument(p, true);
        } else if (!hi && take(p, T_OP, '^')) {
            if (!empty_group(p)) hi = parse_argument(p, true);
        }
    }
    int outer_depth = p->integral_depth;
    const char *outer = p->differential;
    p->integral_depth = p->depth;
    p->differential = NULL;
    struct node *body = p->failed ? NULL : parse_sum(p);
    if (body && body->kind == K_SEQ && body->op == '{' && body->n == 1) body = body->arg[0];
    const char *name = p->differential ? p->differential : "x";
    p->integral_depth = outer_depth;
    p->differential = outer;
    struct node *var = node_sym(p->w, name);
    if (!lo && !hi) return node_of(p->w, K_FN, F_INT, (struct node *[]){body, var}, 2);
    return node_of(p->w, K_FN, F_INT, (struct node *[]){body, var, lo, hi}, lo && hi ? 4 : 3);
}

/* Is the name among the letters of n, or the index of one (a_k)? */
static bool depends_on(const struct node *n, const char *name)
{
    struct names names = {0};
    names_free_in(n, &names);
    bool depends = names.many;
    for (int i = 0; i < names.n; i++)
        depends = depends || strcmp(names.name[i], name) == 0 || strchr(names.name[i], '_');
    return depends;
}

static struct node *parse_limit(struct parser *p)
{
    if (!take(p, T_OP, '_') || !take(p, T_OPEN, 'g') || peek(p)->kind != T_SYM)
        return parse_fail(p, "where the limit is taken is not understood");
    const char *name = peek(p)->text;
    p->at++;
    p->side = 0;
    if (peek(p)->kind != T_TO) return parse_fail(p, "where the limit is taken is not understood");
    p->at++;
    p->limit = true;
    struct node *to = parse_sum(p);
    p->limit = false;
    int side = p->side;
    if (!to || !take(p, T_CLOSE, 'g')) return parse_fail(p, "a limit is not closed");
    if (!bind(p, name)) return NULL;
    struct node *body = parse_term(p);
    p->n_bound--;
    struct node *sided = node_int(p->w, side);
    if (!body || !depends_on(body, name)) return body;
    return node_of(p->w, K_FN, F_LIM, (struct node *[]){body, node_sym(p->w, name), to, sided}, 4);
}

struct node *parse_big(struct parser *p)
{
    int f = peek(p)->value;
    p->at++;
    struct node *out = f == F_INT ? parse_integral(p) : f == F_LIM ? parse_limit(p) : parse_sum_of(p, f);
    return p->failed ? NULL : out;
}

/* ---- derivatives -------------------------------------------------------------------------------------- */

static bool is_d(const struct token *t)
{
    return t->kind == T_SYM && (strcmp(t->text, "d") == 0 || strcmp(t->text, "partial") == 0);
}

/* \frac{d}{dx}, \frac{d^2}{dx^2}: the order, 0 if it is none. Does not move. */
static int derivative_at(struct parser *p, const char **name, int *end)
{
    const struct token *t = peek(p) + 1;
    int order = 1;
    if (t->kind != T_OPEN || t->value != 'g' || !is_d(t + 1)) return 0;
    const struct token *close = t + 2;
    if (close->kind == T_OP && close->value == '^' && close[1].kind == T_NUM) {
        order = (int)fmpz_get_si(fmpq_numref(close[1].node->q));
        close += 2;
    }
    if (close->kind != T_CLOSE || order < 1 || order > 4) return 0;
    const struct token *u = close + 1;
    if (u->kind != T_OPEN || u->value != 'g' || !is_d(u + 1) || u[2].kind != T_SYM || u->match < 0) return 0;
    *name = u[2].text;
    *end = u->match + 1;
    return order;
}

struct node *parse_derivative(struct parser *p)
{
    const char *name;
    int end, order = derivative_at(p, &name, &end);
    if (!order) return NULL;
    p->at = end;
    if (!starts_factor(p)) return parse_fail(p, "nothing is differentiated");
    struct node *body = parse_term(p), *var = node_sym(p->w, name);
    for (int i = 0; i < order; i++) body = node_2(p->w, K_FN, F_DIFF, body, var);
    return body;
}
