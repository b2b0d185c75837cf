/* factor.c: a weight as the second factor of a product.
 *
 *   y = x W^T    factor_rows: panels run over rows of W, sums over its columns
 *   dx = dy W    factor_cols: panels run over columns of W, sums over its rows
 *
 * A weight that is packed already is used so; a float32 weight is packed whole. A stored one without panels
 * never becomes float32 as a whole: the product is cut into strips of C's columns, and a thread decodes a
 * strip's next stretch of sums into memory of its own, packs it and adds the product to C. A stretch is a
 * whole number of kern.h's blocks of sums, so both ways give the same bits.
 */
#include "base/check.h"
#include "base/pool.h"
#include "op/op_int.h"

enum {
    /* Columns of C in a strip and sums in a stretch. */
    ROWS_STRIP = 64,
    ROWS_STRETCH = 1024,
    COLS_STRIP = STORED_COLS,
    COLS_STRETCH = KERN_K_BLOCK,
    TILE = 1 << 16 /* floats of a weight decoded at a time */
};
_Static_assert(ROWS_STRIP *ROWS_STRETCH == TILE && COLS_STRIP * COLS_STRETCH == TILE, "tiles of one size");
_Static_assert(ROWS_STRETCH % KERN_K_BLOCK == 0 && ROWS_STRETCH % STORED_COLS == 0, "whole blocks");
_Static_assert(ROWS_STRIP % KERN_PANEL == 0 && COLS_STRIP % KERN_PANEL == 0, "whole panels");

const void *factor_panels(const struct weight *w, int row)
{
    return w->panels_fresh && row % KERN_PANEL == 0 ? kern_panels_at(w->form, w->panels, row, w->cols) : NULL;
}

static struct factor factor_make(struct tape *t, const struct weight *w, int row, int n, bool by_cols)
{
    CHECK(row >= 0 && n > 0 && row <= w->rows - n, "rows %d+%d of %s, which has %d", row, n, w->name,
          w->rows);
    struct factor f = {.w = w, .row = row, .by_cols = by_cols};
    f.panels = by_cols ? NULL : factor_panels(w, row);
    if (f.panels) {
        f.form = w->form;
    } else if (!by_cols && w->panels_supposed && row % KERN_PANEL == 0) {
        CHECK(tape_planning(t), "%s has no panels", w->name);
    } else if (w->stored) {
        f.scratch = tape_floats(t, (size_t)pool_threads() * 2 * TILE);
    } else {
        f.scratch = tape_floats(t, by_cols ? kern_panels_floats(w->cols, n) : kern_panels_floats(n, w->cols));
    }
    return f;
}

struct factor factor_rows(struct tape *t, const struct weight *w, int row, int n)
{
    struct factor f = factor_make(t, w, row, n, false);
    if (f.panels || w->stored || tape_planning(t)) return f;
    matmul_pack_rows(f.scratch, w->data + (size_t)row * (size_t)w->cols, w->cols, n, w->cols);
    f.panels = f.scratch;
    return f;
}

struct factor factor_cols(struct tape *t, const struct weight *w, int row, int n)
{
    struct factor f = factor_make(t, w, row, n, true);
    if (w->stored || tape_planning(t)) return f;
    matmul_pack_cols(f.scratch, w->data + (size_t)row * (size_t)w->cols, w->cols, w->cols, n);
    f.panels = f.scratch;
    return f;
}

/* ---- products with a stored weight --------------------------------------------------------------------- */

struct strips {
    const struct factor *f;
    const struct kern_gemm *g;
    matmul_after after;
    void *ctx;
};

/* Panels of sums k..k+g->k-1 of the strip that begins at column col of C, from the thread's own memory. */
static const float *strip_panels(const struct factor *f, const struct kern_gemm *g, int col, int k)
{
    const struct stored *s = f->w->stored;
    float *tile = f->scratch + (size_t)pool_self() * 2 * TILE, *panels = tile + TILE;
    if (f->by_cols) {
        s->tile(s, f->row + k, g->k, col, g->n, tile);
        kern()->pack_cols(panels, tile, g->n, g->n, g->k);
    } else {
        s->tile(s, f->row + col, g->n, k, g->k, tile);
        kern()->pack_rows(panels, tile, g->k, g->n, g->k);
    }
    return panels;
}

static void strip_run(void *ctx, int item)
{
    const struct strips *s = ctx;
    int strip = s->f->by_cols ? COLS_STRIP : ROWS_STRIP, col = item * strip;
    int stretch = s->f->by_cols ? COLS_STRETCH : ROWS_STRETCH;
    struct kern_gemm g = *s->g;
    g.n = g.n - col < strip ? g.n - col : strip;
    g.c += col;
    for (int k = 0; k < s->g->k; k += stretch, g.accumulate = true) {
        g.k = s->g->k - k < stretch ? s->g->k - k : stretch;
        g.panels = strip_panels(s->f, &g, col, k);
        g.a = s->g->a + k * g.a_col;
        counted_gemm(&g);
    }
    if (s->after) s->after(s->ctx, &g, 0, col);
}

void factor_product(const struct factor *f, const struct kern_gemm *product, matmul_after after, void *ctx)
{
    struct kern_gemm g = *product;
    if (f->panels) {
        g.panels = f->panels;
        g.form = f->form;
        matmul_run(&g, after, ctx);
        return;
    }
    CHECK(f->w->stored, "%s: a product in a plan", f->w->name);
    CHECK(g.k > 0, "product over %d", g.k);
    int strip = f->by_cols ? COLS_STRIP : ROWS_STRIP;
    struct strips s = {f, &g, after, ctx};
    if (g.m) pool_for((g.n + strip - 1) / strip, strip_run, &s);
}
