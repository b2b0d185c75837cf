/* matmul.c: one matrix product shared out over the threads as tiles of its result.
 *
 * kern.h promises that an element of the result does not depend on which other elements are worked out in the
 * same call, so the tiling is free: it only serves the caches. A tile's part of B (panels) should stay in the
 * second-level cache while rows of A stream past; very thin products (decoding: a few rows) are split over
 * columns only. Sums over k are never split.
 */
#include "base/check.h"
#include "base/pool.h"
#include "op/op_int.h"

enum {
    TILE_ROWS = 128,
    TILE_PANEL_FLOATS = 1 << 17, /* 512 KiB of B in a tile */
    TILE_COLS_MAX = 512
};

struct matmul {
    const struct kern_gemm *g;
    matmul_after after;
    void *ctx;
    int tile_rows, tile_cols, row_tiles;
};

static int round_up(int x, int to)
{
    return (x + to - 1) / to * to;
}

static void matmul_item(void *ctx, int item)
{
    const struct matmul *p = ctx;
    struct kern_gemm g = *p->g;
    int row = item % p->row_tiles * p->tile_rows, col = item / p->row_tiles * p->tile_cols;
    g.a += row * g.a_row;
    g.panels += (size_t)col * (size_t)g.k;
    g.c += row * g.c_row + col;
    g.m = g.m - row < p->tile_rows ? g.m - row : p->tile_rows;
    g.n = g.n - col < p->tile_cols ? g.n - col : p->tile_cols;
    kern()->gemm(&g);
    if (p->after) p->after(p->ctx, &g, row, col);
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

void matmul_run(const struct kern_gemm *g, matmul_after after, void *ctx)
{
    if (!g->m || !g->n) return;
    CHECK(g->k > 0, "product over %d", g->k);
    int cols = TILE_PANEL_FLOATS / g->k / KERN_PANEL * KERN_PANEL;
    cols = min_int(max_int(cols, 2 * KERN_PANEL), TILE_COLS_MAX);
    cols = min_int(cols, round_up(g->n, KERN_PANEL));
    int rows = min_int(TILE_ROWS, g->m);
    /* More tiles when there are fewer than the threads want, narrow ones before low ones: B is read once. */
    int wanted = work_items((double)g->m * g->n * g->k, 1 << 20);
    int row_tiles = (g->m + rows - 1) / rows;
    int col_tiles = max_int((g->n + cols - 1) / cols, (wanted + row_tiles - 1) / row_tiles);
    cols = round_up((g->n + col_tiles - 1) / col_tiles, KERN_PANEL);
    col_tiles = (g->n + cols - 1) / cols;
    if (row_tiles * col_tiles < wanted) {
        row_tiles = min_int((wanted + col_tiles - 1) / col_tiles, g->m);
        rows = (g->m + row_tiles - 1) / row_tiles;
        row_tiles = (g->m + rows - 1) / rows;
    }
    struct matmul p = {g, after, ctx, rows, cols, row_tiles};
    pool_for(row_tiles * col_tiles, matmul_item, &p);
}

/* ---- packing ------------------------------------------------------------------------------------------ */

struct matmul_pack {
    void (*pack)(float *, const float *, ptrdiff_t, int, int);
    float *panels;
    const float *b;
    ptrdiff_t ld, step; /* from one n to the next in b */
    int n, k;
};

static void pack_range(void *ctx, struct range r)
{
    const struct matmul_pack *p = ctx;
    p->pack(p->panels + r.from * (size_t)p->k, p->b + (ptrdiff_t)r.from * p->step, p->ld,
            (int)(r.to - r.from), p->k);
}

enum { PACK_COST = 8 }; /* steps to move one float */

static void pack_all(struct matmul_pack *p)
{
    work_over((size_t)p->n, KERN_PANEL, (double)p->k * PACK_COST, pack_range, p);
}

void matmul_pack_rows(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    pack_all(&(struct matmul_pack){kern()->pack_rows, panels, b, ld, ld, n, k});
}

void matmul_pack_cols(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    pack_all(&(struct matmul_pack){kern()->pack_cols, panels, b, ld, 1, n, k});
}

const float *matmul_panels(struct tape *t, const struct weight *w)
{
    if (w->panels && w->panels_fresh) return w->panels;
    float *panels = tape_floats(t, kern_panels_floats(w->rows, w->cols));
    if (tape_planning(t)) return NULL;
    matmul_pack_rows(panels, w->data, w->cols, w->rows, w->cols);
    return panels;
}
