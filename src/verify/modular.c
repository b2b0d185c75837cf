/* modular.c: are two formulas the same rational function? Asked at random points of large prime fields.
 *
 * Variables get random residues; numbers their own; i a root of -1 (the primes are 1 mod 4). What is no
 * rational operation (roots, sines, pi) counts as one more variable, the same for the same subformula.
 * Different residues prove that two formulas made of numbers and variables alone differ. Equal residues at
 * three primes of 61 bits leave a different pair, of degree and size d in bits, a chance below (d /
 * 2^60)^3 (Schwartz and Zippel for the points, a count of prime divisors for the numbers): below 2^-100
 * within the limits on size.
 */
#include <ulong_extras.h>

#include "verify/explain.h"

#define PRIMES        3
#define FACTORIAL_MAX 3000000

struct field {
    struct work *w;
    ulong p, pinv, root; /* root^2 = -1 */
    bool opaque;         /* something else than variables was met */
};

static uint64_t scramble(uint64_t v)
{
    v = (v ^ (v >> 31)) * 0x7FB5D329728EA185u;
    v = (v ^ (v >> 27)) * 0x81DADEF4BC2DD44Du;
    return v ^ (v >> 33);
}

static ulong residue_of(const struct field *f, uint64_t hash)
{
    return (ulong)(scramble(hash ^ f->p) % f->p);
}

static bool at(struct field *f, const struct node *n, ulong *out);

static bool invert(const struct field *f, ulong v, ulong *out)
{
    if (v == 0) return false;
    *out = n_invmod(v, f->p);
    return true;
}

static bool opaque(struct field *f, const struct node *n, ulong *out)
{
    f->opaque = true;
    *out = residue_of(f, n->hash);
    return true;
}

static bool power(struct field *f, const struct node *n, ulong *out)
{
    fmpz_t e;
    ulong base;
    fmpz_init(e);
    bool whole = !node_has(n->arg[1], K_SYM) && exact_integer(f->w, n->arg[1], e), good;
    if (!whole) {
        good = opaque(f, n, out);
    } else {
        good = at(f, n->arg[0], &base);
        if (good && base == 0) {
            good = fmpz_sgn(e) > 0;
            *out = 0;
        } else if (good) {
            ulong k = fmpz_fdiv_ui(e, f->p - 1);
            *out = n_powmod2_preinv(base, (slong)k, f->p, f->pinv);
        }
    }
    fmpz_clear(e);
    return good;
}

/* The product of the k numbers from n downwards. */
static ulong falling(const struct field *f, ulong n, ulong k)
{
    ulong v = 1;
    for (ulong i = 0; i < k; i++) v = n_mulmod2_preinv(v, (n - i) % f->p, f->p, f->pinv);
    return v;
}

/* n!, C(n, k) of numbers. */
static bool counted(struct field *f, const struct node *n, ulong *out)
{
    fmpz_t a, b;
    fmpz_init(a);
    fmpz_init(b);
    bool binomial = n->op == F_BINOM;
    bool good = !node_has(n, K_SYM) && exact_integer(f->w, n->arg[0], a) &&
                (!binomial || exact_integer(f->w, n->arg[1], b)) && fmpz_sgn(a) >= 0 && fmpz_sgn(b) >= 0 &&
                fmpz_abs_fits_ui(a) && fmpz_abs_fits_ui(b);
    ulong top = good ? fmpz_get_ui(a) : 0, k = good && binomial ? fmpz_get_ui(b) : top, below;
    if (good && binomial && k > top) good = false;
    if (good && binomial && top - k < k) k = top - k;
    fmpz_clear(a);
    fmpz_clear(b);
    if (!good || k > FACTORIAL_MAX || !work_step(f->w, (int)(k / 64))) return opaque(f, n, out);
    *out = falling(f, top, k);
    if (!binomial) return true;
    if (!invert(f, falling(f, k, k), &below)) return false;
    *out = n_mulmod2_preinv(*out, below, f->p, f->pinv);
    return true;
}

static bool number(const struct field *f, const struct node *n, ulong *out)
{
    ulong below;
    if (n->ellipsis || !invert(f, fmpz_fdiv_ui(fmpq_denref(n->q), f->p), &below)) return false;
    *out = n_mulmod2_preinv(fmpz_fdiv_ui(fmpq_numref(n->q), f->p), below, f->p, f->pinv);
    return true;
}

static bool folded(struct field *f, const struct node *n, ulong *out)
{
    ulong v;
    if (!at(f, n->arg[0], out)) return false;
    for (int i = 1; i < n->n; i++) {
        if (!at(f, n->arg[i], &v)) return false;
        if (n->kind == K_DIV && !invert(f, v, &v)) return false;
        *out = n->kind == K_ADD ? n_addmod(*out, v, f->p) : n_mulmod2_preinv(*out, v, f->p, f->pinv);
    }
    return true;
}

static bool at(struct field *f, const struct node *n, ulong *out)
{
    bool good;
    if (!work_step(f->w, 1)) return false;
    switch ((enum kind)n->kind) {
    case K_NUM: good = number(f, n, out); break;
    case K_SYM:
        *out = residue_of(f, n->hash);
        good = true;
        break;
    case K_CONST:
        *out = f->root;
        good = n->op == C_I || (n->op <= C_E && opaque(f, n, out));
        break;
    case K_ADD:
    case K_MUL:
    case K_DIV: good = folded(f, n, out); break;
    case K_NEG:
        good = at(f, n->arg[0], out);
        if (good) *out = n_negmod(*out, f->p);
        break;
    case K_POW: good = power(f, n, out); break;
    case K_BASED: good = n->op == 0 && at(f, n->arg[0], out); break;
    case K_FN: good = n->op == F_FACT || n->op == F_BINOM ? counted(f, n, out) : opaque(f, n, out); break;
    case K_ROOT:
    case K_APPLY:
    case K_CASES: good = opaque(f, n, out); break;
    default: good = false;
    }
    return good;
}

/* Primes that are 1 mod 4, from scattered places, each with a root of -1. */
static const struct {
    ulong p, root;
} primes[PRIMES] = {{1493217305827431073u, 317760160176595953u},
                    {1779033703952297161u, 341291521770496272u},
                    {2110294473820147933u, 1423648038852687910u}};

enum truth modular_same(struct work *w, const struct node *a, const struct node *b, bool *proof)
{
    int agree = 0;
    *proof = false;
    for (int k = 0; k < PRIMES; k++) {
        struct field f;
        ulong left, right;
        f = (struct field){
            .w = w, .p = primes[k].p, .pinv = n_preinvert_limb(primes[k].p), .root = primes[k].root};
        if (!at(&f, a, &left) || !at(&f, b, &right)) {
            if (w->over) return UNKNOWN;
            continue;
        }
        if (left != right) {
            *proof = !f.opaque;
            explain_line(w->explain, "residues", "%lu modulo %lu%s", left, f.p,
                         f.opaque ? ", roots and functions taken as variables" : "");
            explain_line(w->explain, "", "%lu", right);
            return NO;
        }
        agree++;
    }
    if (agree == PRIMES) explain_line(w->explain, "residues", "equal modulo three primes of 61 bits");
    return agree == PRIMES ? YES : UNKNOWN;
}
