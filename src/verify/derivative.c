/* derivative.c: d/dx by the rules of calculus. */
#include <string.h>

#include "verify/verify_int.h"

static struct node *mul(struct work *w, struct node *a, struct node *b)
{
    return node_2(w, K_MUL, 0, a, b);
}

static struct node *square(struct work *w, struct node *a)
{
    return node_2(w, K_POW, 0, a, node_int(w, 2));
}

static struct node *fn(struct work *w, int f, struct node *a)
{
    return node_1(w, K_FN, f, a);
}

static struct node *inverse_root(struct work *w, struct node *inside)
{
    return node_2(w, K_DIV, 0, node_int(w, 1), node_2(w, K_ROOT, 0, inside, node_int(w, 2)));
}

static struct node *one_plus(struct work *w, struct node *x, bool minus)
{
    struct node *sq = square(w, x);
    return node_2(w, K_ADD, 0, node_int(w, 1), minus ? node_1(w, K_NEG, 0, sq) : sq);
}

/* f'(x) of a function of one argument; NULL when it is not in the table. */
static struct node *outer(struct work *w, int f, struct node *x)
{
    switch (f) {
    case F_SIN: return fn(w, F_COS, x);
    case F_COS: return node_1(w, K_NEG, 0, fn(w, F_SIN, x));
    case F_TAN: return square(w, fn(w, F_SEC, x));
    case F_COT: return node_1(w, K_NEG, 0, square(w, fn(w, F_CSC, x)));
    case F_SEC: return mul(w, fn(w, F_SEC, x), fn(w, F_TAN, x));
    case F_CSC: return node_1(w, K_NEG, 0, mul(w, fn(w, F_CSC, x), fn(w, F_COT, x)));
    case F_SINH: return fn(w, F_COSH, x);
    case F_COSH: return fn(w, F_SINH, x);
    case F_TANH: return square(w, fn(w, F_SECH, x));
    case F_EXP: return fn(w, F_EXP, x);
    case F_LN: return node_2(w, K_DIV, 0, node_int(w, 1), x);
    case F_ASIN: return inverse_root(w, one_plus(w, x, true));
    case F_ACOS: return node_1(w, K_NEG, 0, inverse_root(w, one_plus(w, x, true)));
    case F_ATAN: return node_2(w, K_DIV, 0, node_int(w, 1), one_plus(w, x, false));
    case F_ASINH: return inverse_root(w, one_plus(w, x, false));
    case F_ABS: return fn(w, F_SIGN, x);
    default: return NULL;
    }
}

static struct node *power_rule(struct work *w, const struct node *n, const char *var)
{
    struct node *a = n->arg[0], *b = n->arg[1];
    struct node *self = node_with(w, n, n->arg, n->n);
    if (!node_uses(b, var)) {
        struct node *less = node_2(w, K_ADD, 0, b, node_int(w, -1));
        return mul(w, mul(w, b, node_2(w, K_POW, 0, a, less)), derivative(w, a, var));
    }
    struct node *rate = mul(w, derivative(w, b, var), fn(w, F_LN, a));
    if (node_uses(a, var))
        rate = node_2(w, K_ADD, 0, rate, node_2(w, K_DIV, 0, mul(w, b, derivative(w, a, var)), a));
    return mul(w, self, rate);
}

static struct node *product_rule(struct work *w, const struct node *n, const char *var)
{
    struct node **terms = work_alloc(w, (size_t)n->n * sizeof *terms);
    struct node **factors = work_alloc(w, (size_t)n->n * sizeof *factors);
    if (!terms || !factors || n->n > 64) return NULL;
    for (int i = 0; i < n->n; i++) {
        memcpy(factors, n->arg, (size_t)n->n * sizeof *factors);
        factors[i] = derivative(w, n->arg[i], var);
        terms[i] = node_of(w, K_MUL, 0, factors, n->n);
    }
    return node_of(w, K_ADD, 0, terms, n->n);
}

struct node *derivative(struct work *w, const struct node *n, const char *var)
{
    if (!n) return NULL;
    struct node *a = n->n > 0 ? n->arg[0] : NULL, *b = n->n > 1 ? n->arg[1] : NULL;
    if (!work_step(w, 1)) return NULL;
    if (!node_uses(n, var)) return node_int(w, 0);
    switch ((enum kind)n->kind) {
    case K_SYM: return node_int(w, 1);
    case K_NEG: return node_1(w, K_NEG, 0, derivative(w, a, var));
    case K_ADD: {
        struct node **terms = work_alloc(w, (size_t)n->n * sizeof *terms);
        for (int i = 0; terms && i < n->n; i++) terms[i] = derivative(w, n->arg[i], var);
        return terms ? node_of(w, K_ADD, 0, terms, n->n) : NULL;
    }
    case K_MUL: return product_rule(w, n, var);
    case K_DIV: {
        struct node *top = node_2(w, K_ADD, 0, mul(w, derivative(w, a, var), b),
                                  node_1(w, K_NEG, 0, mul(w, a, derivative(w, b, var))));
        return node_2(w, K_DIV, 0, top, square(w, b));
    }
    case K_POW: return power_rule(w, n, var);
    case K_ROOT: {
        if (node_uses(b, var)) return NULL;
        struct node *e = node_2(w, K_DIV, 0, node_int(w, 1), b), *power = node_2(w, K_POW, 0, a, e);
        return power ? power_rule(w, power, var) : NULL;
    }
    case K_FN:
        if (n->op == F_LOG && !node_uses(b, var))
            return node_2(w, K_DIV, 0, derivative(w, a, var), mul(w, a, fn(w, F_LN, b)));
        return n->n == 1 ? mul(w, outer(w, n->op, a), derivative(w, a, var)) : NULL;
    default: return NULL;
    }
}
