/* matrix.c: sums, products, powers, transposes of matrices; determinants; norms. Entries stay formulas. */
#include <string.h>

#include "verify/verify_int.h"

#define ENTRIES_MAX 400
#define DET_ROWS    6 /* by expansion along the first row */

static struct node *matrix_new(struct work *w, struct node *const *entries, int n, int rows)
{
    struct node *m = node_of(w, K_MATRIX, 0, entries, n);
    if (!m) return NULL;
    m->rows = (short)rows;
    return node_with(w, m, entries, n);
}

static struct node *entrywise(struct work *w, const struct node *a, const struct node *b)
{
    struct node *e[ENTRIES_MAX];
    if (!a || !b || a->n != b->n || a->rows != b->rows || a->n > ENTRIES_MAX) return NULL;
    for (int i = 0; i < a->n; i++) e[i] = node_2(w, K_ADD, 0, a->arg[i], b->arg[i]);
    return matrix_new(w, e, a->n, a->rows);
}

static struct node *scaled(struct work *w, const struct node *m, struct node *by, enum kind kind)
{
    struct node *e[ENTRIES_MAX];
    if (!m || m->n > ENTRIES_MAX) return NULL;
    for (int i = 0; i < m->n; i++) e[i] = node_2(w, kind, 0, m->arg[i], by);
    return matrix_new(w, e, m->n, m->rows);
}

static struct node *product(struct work *w, const struct node *a, const struct node *b)
{
    struct node *e[ENTRIES_MAX], *terms[ENTRIES_MAX];
    if (!a || !b || !a->rows || !b->rows) return NULL;
    int inner = a->n / a->rows, columns = b->n / b->rows;
    if (inner != b->rows || a->rows * columns > ENTRIES_MAX || inner > ENTRIES_MAX) return NULL;
    for (int i = 0; i < a->rows; i++)
        for (int k = 0; k < columns; k++) {
            for (int m = 0; m < inner; m++)
                terms[m] = node_2(w, K_MUL, 0, a->arg[i * inner + m], b->arg[m * columns + k]);
            e[i * columns + k] = node_of(w, K_ADD, 0, terms, inner);
        }
    return matrix_new(w, e, a->rows * columns, a->rows);
}

static struct node *transposed(struct work *w, const struct node *m)
{
    struct node *e[ENTRIES_MAX];
    if (!m || m->n > ENTRIES_MAX) return NULL;
    int columns = m->n / m->rows;
    for (int i = 0; i < m->rows; i++)
        for (int k = 0; k < columns; k++) e[k * m->rows + i] = m->arg[i * columns + k];
    return matrix_new(w, e, m->n, columns);
}

/* Without row r and column c. */
static struct node *minor_of(struct work *w, const struct node *m, int r, int c)
{
    struct node *e[DET_ROWS * DET_ROWS];
    int size = m->rows, n = 0;
    for (int i = 0; i < size; i++)
        for (int k = 0; k < size; k++)
            if (i != r && k != c) e[n++] = m->arg[i * size + k];
    return matrix_new(w, e, n, size - 1);
}

struct node *determinant(struct work *w, const struct node *m)
{
    struct node *terms[DET_ROWS];
    if (!m || m->rows * m->rows != m->n || m->rows > DET_ROWS) return NULL;
    if (m->rows == 1) return m->arg[0];
    for (int k = 0; k < m->rows; k++) {
        struct node *cofactor = determinant(w, minor_of(w, m, 0, k));
        terms[k] = node_2(w, K_MUL, 0, m->arg[k], cofactor);
        if (k % 2) terms[k] = node_1(w, K_NEG, 0, terms[k]);
    }
    return node_of(w, K_ADD, 0, terms, m->rows);
}

static struct node *inverse(struct work *w, const struct node *m)
{
    struct node *e[DET_ROWS * DET_ROWS], *det = determinant(w, m);
    if (!det || m->rows > DET_ROWS) return NULL;
    int size = m->rows;
    for (int i = 0; i < size; i++)
        for (int k = 0; k < size; k++) {
            struct node *c = size == 1 ? node_int(w, 1) : determinant(w, minor_of(w, m, k, i));
            if ((i + k) % 2) c = node_1(w, K_NEG, 0, c);
            e[i * size + k] = node_2(w, K_DIV, 0, c, det);
        }
    return matrix_new(w, e, m->n, size);
}

static struct node *power(struct work *w, struct node *m, const struct node *e)
{
    fmpz_t k;
    fmpz_init(k);
    long times =
        exact_integer(w, e, k) && fmpz_cmp_si(k, 32) <= 0 && fmpz_cmp_si(k, -1) >= 0 ? fmpz_get_si(k) : -2;
    fmpz_clear(k);
    if (!m || times == -2 || times == 0 || m->rows * m->rows != m->n) return NULL;
    if (times == -1) return inverse(w, m);
    struct node *out = m;
    for (long i = 1; i < times && out; i++) out = product(w, out, m);
    return out;
}

struct node *matrix_value(struct work *w, struct node *n)
{
    if (!n || !work_step(w, 1)) return NULL;
    if (n->kind == K_MATRIX) return n;
    if (!node_has(n, K_MATRIX)) return NULL;
    switch ((enum kind)n->kind) {
    case K_NEG: return scaled(w, matrix_value(w, n->arg[0]), node_int(w, -1), K_MUL);
    case K_ADD: {
        struct node *out = matrix_value(w, n->arg[0]);
        for (int i = 1; i < n->n && out; i++) out = entrywise(w, out, matrix_value(w, n->arg[i]));
        return out;
    }
    case K_MUL: {
        struct node *out = NULL, *scalar = NULL;
        for (int i = 0; i < n->n; i++) {
            struct node *m = matrix_value(w, n->arg[i]);
            if (m)
                out = out ? product(w, out, m) : m;
            else
                scalar = scalar ? node_2(w, K_MUL, 0, scalar, n->arg[i]) : n->arg[i];
            if (m && !out) return NULL;
        }
        return scalar ? scaled(w, out, scalar, K_MUL) : out;
    }
    case K_DIV: return scaled(w, matrix_value(w, n->arg[0]), n->arg[1], K_DIV);
    case K_POW: return power(w, matrix_value(w, n->arg[0]), n->arg[1]);
    case K_FN: return n->op == F_TRANSPOSE ? transposed(w, matrix_value(w, n->arg[0])) : NULL;
    default: return NULL;
    }
}
