/* adapter.c: a low-rank change of a frozen matrix, in the products of linear_part.c.
 *
 *   V = W + s B A                         Hu et al. 2021, "LoRA"; A [r, in], B [out, r]
 *   y = x W^T + (s x' A^T) B^T            x' = x, or x with dropout
 *   dB += dy^T (s x' A^T);  dA += (s dy B)^T x';  dx = dy W + the share of x' in (s dy B) A
 * Nothing as large as W is formed, and x' A^T is worked out again in backward rather than kept.
 *
 * With a magnitude (Liu et al. 2024, "DoRA") row o of V is multiplied by g_o = m_o / |row o of W + s B A|,
 * the length being held fixed in backward:
 *   y = (...) g;  backward of the above from dy g;  dm_o = sum_r dy_ro (x V^T)_ro / length_o
 * and dropout is on the way to both, as in PEFT: y = (x - x') W^T + (x' V^T) g.
 *
 * Dropout leaves out x_rc with probability p and divides the others by 1 - p. The choice is a function of
 * the row's sequence and position, the module and c.
 */
#include "base/check.h"
#include "base/fmath.h"
#include "base/pool.h"
#include "base/rng.h"
#include "op/op_int.h"

/* ---- dropout ------------------------------------------------------------------------------------------ */

struct drop {
    const struct batch *batch;
    const struct adapter *adapter;
    int cols;
    ptrdiff_t from_row, to_row;
    const float *from; /* to = mask from, or to += mask from */
    float *to;
    bool add;
};

/* Where a row draws its key. */
static uint64_t drop_row_key(const struct drop *d, int row)
{
    int s = batch_span_at(d->batch, row);
    const struct span *span = &d->batch->spans[s];
    struct rng_at at = d->batch->drop->at;
    at.sequence = d->batch->drop->sequences[s];
    at.position = (uint32_t)(span->first_pos + row - span->row);
    return rng_u64(&at);
}

static void drop_range(void *ctx, struct range r)
{
    const struct drop *d = ctx;
    double p = (double)d->adapter->dropout;
    uint32_t bar = (uint32_t)(p * 0x1p32), words[4];
    float kept = (float)(1 / (1 - p));
    for (int row = (int)r.from; row < (int)r.to; row++) {
        struct rng_at at = {.seed = drop_row_key(d, row), .purpose = RNG_DROPOUT, .step = d->adapter->module};
        const float *from = d->from + row * d->from_row;
        float *to = d->to + row * d->to_row;
        for (int c = 0; c < d->cols; c++) {
            if (c % 4 == 0) at.position = (uint32_t)(c / 4), rng_words(&at, words);
            float x = words[c % 4] < bar ? 0 : from[c] * kept;
            to[c] = d->add ? to[c] + x : x;
        }
    }
}

enum { DROP_COST = 16 };

static void drop_run(struct drop *d, int rows)
{
    CHECK(rows == d->batch->n_rows, "dropout of %d rows, a batch of %d", rows, d->batch->n_rows);
    work_over((size_t)rows, 1, (double)d->cols * DROP_COST, drop_range, d);
}

/* x', and its row stride; in step memory if it is not x. */
static const float *dropped(struct tape *t, const struct linear_part *p, const float *x, ptrdiff_t *stride)
{
    *stride = p->x_row;
    if (!p->drop) return x;
    float *out = tape_floats(t, (size_t)p->n * (size_t)p->w->cols);
    *stride = p->w->cols;
    struct drop d = {p->drop, p->w->adapter, p->w->cols, p->x_row, *stride, x, out, false};
    if (!tape_planning(t)) drop_run(&d, p->n);
    return out;
}

/* ---- A and B ------------------------------------------------------------------------------------------ */

static struct linear_part part_a(const struct linear_part *p, ptrdiff_t x_row)
{
    struct linear_part a = linear_part_of(p->w->adapter->a, p->n);
    a.x_row = x_row;
    return a;
}

static struct linear_part part_b(const struct linear_part *p, ptrdiff_t y_row)
{
    struct linear_part b = linear_part_of(p->w->adapter->b, p->n);
    b.first = p->first;
    b.out = p->out;
    b.y_row = y_row;
    return b;
}

static void scale_by(struct tape *t, const struct linear_part *p, float *u)
{
    size_t n = (size_t)p->n * (size_t)p->w->adapter->a->rows;
    if (!tape_planning(t)) kern()->scale(u, p->w->adapter->scale, u, n);
}

/* s x' A^T, in step memory. */
static float *shrunk(struct tape *t, const struct linear_part *p, const float *x, ptrdiff_t stride)
{
    struct linear_part a = part_a(p, stride);
    float *u = tape_floats(t, (size_t)p->n * (size_t)a.out);
    linear_part_forward(t, &a, x, u, NULL, NULL);
    scale_by(t, p, u);
    return u;
}

/* s dy B, in step memory. */
static float *shrunk_back(struct tape *t, const struct linear_part *p, const float *dy, ptrdiff_t stride)
{
    struct linear_part b = part_b(p, stride);
    float *du = tape_floats(t, (size_t)p->n * (size_t)b.w->cols);
    linear_part_back_x(t, &b, dy, du);
    scale_by(t, p, du);
    return du;
}

/* y = x W^T + (s x' A^T) B^T */
static void plain_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                          matmul_after after, void *ctx)
{
    ptrdiff_t stride;
    struct arena_mark mark = arena_here(tape_arena(t));
    matrix_part_forward(t, p, x, y, NULL, NULL);
    const float *dropped_x = dropped(t, p, x, &stride), *u = shrunk(t, p, dropped_x, stride);
    struct linear_part b = part_b(p, p->y_row);
    b.add = true;
    linear_part_forward(t, &b, u, y, after, ctx);
    arena_back(tape_arena(t), mark);
}

/* ---- the magnitude ------------------------------------------------------------------------------------ */

/* Row o of W + s B A. */
static void changed_row(const struct weight *w, int o, float *row)
{
    const struct adapter *a = w->adapter;
    const float *b = a->b->data + (size_t)o * (size_t)a->b->cols;
    size_t in = (size_t)w->cols;
    weight_rows(w, o, 1, row);
    for (int j = 0; j < a->a->rows; j++) kern()->axpy(row, a->scale * b[j], a->a->data + (size_t)j * in, in);
}

static float row_length(const float *row, int n)
{
    return (float)fm_sqrt(kern()->sumsq(row, (size_t)n));
}

void weight_adapted_rows(const struct weight *w, int row, int n, float *out)
{
    const struct adapter *a = weight_adapter(w);
    if (!a) weight_rows(w, row, n, out);
    for (int i = 0; i < n && a; i++) {
        float *y = out + (size_t)i * (size_t)w->cols;
        changed_row(w, row + i, y);
        if (a->magnitude)
            kern()->scale(y, a->magnitude->data[row + i] / row_length(y, w->cols), y, (size_t)w->cols);
    }
}

struct norms {
    const struct weight *w;
    float *rows; /* [threads][in] */
};

static void norm_row(void *ctx, int o)
{
    const struct norms *n = ctx;
    float *row = n->rows + (size_t)pool_self() * (size_t)n->w->cols;
    changed_row(n->w, o, row);
    n->w->adapter->norms[o] = row_length(row, n->w->cols);
}

/* Bring the lengths of the rows up to date. */
static void norms_renew(struct tape *t, const struct weight *w)
{
    struct adapter *a = w->adapter;
    struct arena_mark mark = arena_here(tape_arena(t));
    struct norms n = {w, tape_floats(t, (size_t)pool_threads() * (size_t)w->cols)};
    bool fresh = a->norms_of[0] == a->a->changes && a->norms_of[1] == a->b->changes;
    if (!fresh && !tape_planning(t)) {
        pool_for(w->rows, norm_row, &n);
        a->norms_of[0] = a->a->changes, a->norms_of[1] = a->b->changes;
    }
    arena_back(tape_arena(t), mark);
}

/* g of the part's rows, in step memory. */
static float *factors(struct tape *t, const struct linear_part *p)
{
    const struct adapter *a = p->w->adapter;
    float *g = tape_floats(t, (size_t)p->out);
    norms_renew(t, p->w);
    for (int o = 0; o < p->out && !tape_planning(t); o++)
        g[o] = a->magnitude->data[p->first + o] / a->norms[p->first + o];
    return g;
}

struct stretch {
    const float *g;
    matmul_after after;
    void *ctx;
};

static void stretch_tile(void *ctx, const struct kern_gemm *tile, int row, int col)
{
    const struct stretch *s = ctx;
    for (int r = 0; r < tile->m; r++)
        for (int c = 0; c < tile->n; c++) tile->c[r * tile->c_row + c] *= s->g[col + c];
    if (s->after) s->after(s->ctx, tile, row, col);
}

struct stretch_rows {
    const float *g, *dy;
    float *out;
    int cols;
    ptrdiff_t dy_row;
};

static void stretch_range(void *ctx, struct range r)
{
    const struct stretch_rows *s = ctx;
    for (size_t i = r.from; i < r.to; i++)
        for (int c = 0; c < s->cols; c++)
            s->out[i * (size_t)s->cols + (size_t)c] = s->dy[(ptrdiff_t)i * s->dy_row + c] * s->g[c];
}

/* dy g [n, out], and its row stride; dy itself without a magnitude. */
static const float *stretched(struct tape *t, const struct linear_part *p, const float *dy, ptrdiff_t *stride)
{
    *stride = p->y_row;
    if (!p->w->adapter->magnitude) return dy;
    *stride = p->out;
    struct stretch_rows s = {.dy = dy, .cols = p->out, .dy_row = p->y_row};
    s.g = factors(t, p);
    s.out = tape_floats(t, (size_t)p->n * (size_t)p->out);
    if (!tape_planning(t)) work_over((size_t)p->n, 1, (double)p->out, stretch_range, &s);
    return s.out;
}

struct magnitude_sum {
    const struct linear_part *p;
    const float *dy, *z; /* [n, out] by the part's strides; [n, out] */
};

static void magnitude_range(void *ctx, struct range c)
{
    const struct magnitude_sum *s = ctx;
    const struct linear_part *p = s->p;
    const struct adapter *a = p->w->adapter;
    for (size_t o = c.from; o < c.to; o++) {
        double sum = 0;
        for (int r = 0; r < p->n; r++)
            sum += (double)s->dy[r * p->y_row + (ptrdiff_t)o] * (double)s->z[(size_t)r * (size_t)p->out + o];
        size_t at = (size_t)p->first + o;
        a->magnitude->grad[at] += (float)(sum / (double)a->norms[at]);
    }
}

/* x: what the product saw, with its row stride; dropout is behind it. */
static void magnitude_back(struct tape *t, const struct linear_part *p, const float *dy, const float *x,
                           ptrdiff_t x_row)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    float *z = tape_floats(t, (size_t)p->n * (size_t)p->out);
    struct linear_part plain = *p;
    plain.x_row = x_row;
    plain.y_row = p->out;
    plain.add = false;
    plain.drop = NULL;
    norms_renew(t, p->w);
    plain_forward(t, &plain, x, z, NULL, NULL);
    struct magnitude_sum s = {p, dy, z};
    if (!tape_planning(t)) work_over((size_t)p->out, KERN_PANEL, (double)p->n, magnitude_range, &s);
    arena_back(tape_arena(t), mark);
}

/* ---- the three products ------------------------------------------------------------------------------- */

struct row_sum {
    const float *z; /* [n, cols] */
    float *y;
    size_t cols;
    ptrdiff_t y_row;
};

static void row_sum_range(void *ctx, struct range r)
{
    const struct row_sum *s = ctx;
    for (size_t i = r.from; i < r.to; i++) {
        float *y = s->y + (ptrdiff_t)i * s->y_row;
        kern()->add(y, y, s->z + i * s->cols, s->cols);
    }
}

struct row_gap { /* out = a - b, row by row */
    const float *a, *b;
    float *out; /* [n, cols] */
    size_t cols;
    ptrdiff_t a_row, b_row;
};

static void row_gap_range(void *ctx, struct range r)
{
    const struct row_gap *g = ctx;
    for (size_t i = r.from; i < r.to; i++) {
        const float *a = g->a + (ptrdiff_t)i * g->a_row, *b = g->b + (ptrdiff_t)i * g->b_row;
        for (size_t c = 0; c < g->cols; c++) g->out[i * g->cols + c] = a[c] - b[c];
    }
}

/* In step memory. */
static const float *gap_of(struct tape *t, struct row_gap g, int n)
{
    g.out = tape_floats(t, (size_t)n * g.cols);
    if (!tape_planning(t)) work_over((size_t)n, 1, (double)g.cols, row_gap_range, &g);
    return g.out;
}

/* y = (x - x') W^T + (x' V^T) g */
static void dropped_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                            matmul_after after, void *ctx)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct linear_part own = *p, rest = *p;
    const float *kept = dropped(t, p, x, &own.x_row);
    own.drop = NULL;
    low_rank_forward(t, &own, kept, y, NULL, NULL);
    rest.x_row = p->w->cols;
    rest.add = true;
    const struct row_gap gap = {x, kept, NULL, (size_t)p->w->cols, p->x_row, own.x_row};
    matrix_part_forward(t, &rest, gap_of(t, gap, p->n), y, after, ctx);
    arena_back(tape_arena(t), mark);
}

/* dx = dy W + the share of x' in (dy g - dy) W + (s (dy g) B) A */
static void dropped_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx)
{
    struct arena_mark mark = arena_here(tape_arena(t));
    struct linear_part own = *p;
    const float *longer = stretched(t, p, dy, &own.y_row);
    matrix_part_back_x(t, p, dy, dx);
    float *share = tape_floats(t, (size_t)p->n * (size_t)p->w->cols);
    const struct row_gap gap = {longer, dy, NULL, (size_t)p->out, own.y_row, p->y_row};
    struct linear_part a = part_a(p, p->w->cols);
    const float *du = shrunk_back(t, p, longer, own.y_row);
    own.x_row = p->w->cols;
    own.add = false;
    matrix_part_back_x(t, &own, gap_of(t, gap, p->n), share);
    a.add = true;
    linear_part_back_x(t, &a, du, share);
    struct drop d = {p->drop, p->w->adapter, p->w->cols, p->w->cols, p->x_row, share, dx, true};
    if (!tape_planning(t)) drop_run(&d, p->n);
    arena_back(tape_arena(t), mark);
}

// NOLINTNEXTLINE(misc-no-recursion): dropped_forward comes back without dropout
void low_rank_forward(struct tape *t, const struct linear_part *p, const float *x, float *y,
                      matmul_after after, void *ctx)
{
    CHECK(!p->w->grad, "%s learns, and so does its adapter", p->w->name);
    if (!p->w->adapter->magnitude) {
        plain_forward(t, p, x, y, after, ctx);
        return;
    }
    if (p->drop) {
        dropped_forward(t, p, x, y, after, ctx);
        return;
    }
    struct arena_mark mark = arena_here(tape_arena(t));
    struct stretch s = {factors(t, p), after, ctx};
    struct linear_part own = *p;
    struct row_sum sum = {.y = y, .cols = (size_t)p->out, .y_row = p->y_row};
    if (p->add) {
        sum.z = y = tape_floats(t, (size_t)p->n * sum.cols);
        own.y_row = p->out;
        own.add = false;
    }
    plain_forward(t, &own, x, y, stretch_tile, &s);
    if (p->add && !tape_planning(t)) work_over((size_t)p->n, 1, (double)p->out, row_sum_range, &sum);
    arena_back(tape_arena(t), mark);
}

void low_rank_back_x(struct tape *t, const struct linear_part *p, const float *dy, float *dx)
{
    if (p->drop && p->w->adapter->magnitude) {
        dropped_back_x(t, p, dy, dx);
        return;
    }
    struct arena_mark mark = arena_here(tape_arena(t));
    struct linear_part own = *p;
    dy = stretched(t, p, dy, &own.y_row);
    matrix_part_back_x(t, &own, dy, dx);
    float *du = shrunk_back(t, p, dy, own.y_row);
    struct linear_part a = part_a(p, p->x_row);
    a.add = true;
    if (p->drop) {
        struct drop d = {p->drop, p->w->adapter, p->w->cols, p->w->cols, p->x_row, NULL, dx, true};
        float *share = tape_floats(t, (size_t)p->n * (size_t)p->w->cols);
        a.x_row = p->w->cols;
        a.add = false;
        linear_part_back_x(t, &a, du, share);
        d.from = share;
        if (!tape_planning(t)) drop_run(&d, p->n);
    } else {
        linear_part_back_x(t, &a, du, dx);
    }
    arena_back(tape_arena(t), mark);
}

void low_rank_back_w(struct tape *t, const struct linear_part *p, const float *dy, const float *x)
{
    ptrdiff_t x_row, y_row;
    struct arena_mark mark = arena_here(tape_arena(t));
    x = dropped(t, p, x, &x_row);
    if (p->w->adapter->magnitude) magnitude_back(t, p, dy, x, x_row);
    dy = stretched(t, p, dy, &y_row);
    struct linear_part a = part_a(p, x_row), b = part_b(p, y_row);
    const float *u = shrunk(t, p, x, x_row);
    linear_part_back_w(t, &b, dy, u);
    const float *du = shrunk_back(t, p, dy, y_row);
    linear_part_back_w(t, &a, du, x);
    arena_back(tape_arena(t), mark);
}
