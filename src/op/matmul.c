/* matmul.c: matrix products shared out over the threads as tiles of their results.
 *
 * kern.h promises that an element of the result does not depend on which other elements are worked out in the
 * same call, so the tiling is free: it only serves the caches and the threads. The kernels go by blocks of k
 * themselves and keep a block of A in the second-level cache while panels of B stream past; so a tile has
 * about as many rows as fit there. A transposed A is copied by the kernel, once for each tile: such tiles are
 * wide. Sums over k are never split.
 */
#include "base/check.h"
#include "base/pool.h"
#include "op/op_int.h"

enum {
    TILE_FLOATS = 1 << 17, /* 512 KiB of A in a tile */
    TILE_ROWS_MIN = 48,
    TILE_ROWS_MAX = 240,
    TILE_ROWS_TRANSPOSED = 192,
    TILE_COLS = 512,
    TILE_COLS_TRANSPOSED = 1536, /* a tile copies its A */
    TILE_ROW_UNIT = 12,          /* the kernels' register tiles have 12 or 6 rows */
    TILE_COL_UNIT = 2 * KERN_PANEL,
    TILE_COL_UNIT_FEW = 6 * KERN_PANEL, /* few rows meet up to six panels at once */
    READ_COST = 4                       /* rows that cost as much as to read B from memory */
};

struct tiles {
    const struct matmul *of;
    int tile_rows, tile_cols, row_tiles, n_tiles;
};
struct job {
    int n;
    struct tiles list[MATMULS_MOST];
};

static int round_up(int x, int to)
{
    return (x + to - 1) / to * to;
}

static void matmul_item(void *ctx, int item)
{
    const struct tiles *p = ((const struct job *)ctx)->list;
    for (; item >= p->n_tiles; p++) item -= p->n_tiles;
    struct kern_gemm g = p->of->g;
    int row = item % p->row_tiles * p->tile_rows, col = item / p->row_tiles * p->tile_cols;
    g.a += row * g.a_row;
    g.panels = kern_panels_at(g.form, g.panels, col, g.k);
    g.c += row * g.c_row + col;
    g.m = g.m - row < p->tile_rows ? g.m - row : p->tile_rows;
    g.n = g.n - col < p->tile_cols ? g.n - col : p->tile_cols;
    counted_gemm(&g);
    if (p->of->after) p->of->after(p->of->ctx, &g, row, col);
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int tiles_of(int n, int tile)
{
    return (n + tile - 1) / tile;
}

/* Rows and columns of a tile: what suits the caches, then halved until there are enough for the threads. */
static struct tiles tiles_for(const struct matmul *of)
{
    const struct kern_gemm *g = &of->g;
    int rows = TILE_ROWS_TRANSPOSED, cols = TILE_COLS_TRANSPOSED;
    if (g->a_col == 1) {
        cols = TILE_COLS;
        rows = TILE_FLOATS / g->k / TILE_ROW_UNIT * TILE_ROW_UNIT;
        rows = rows < TILE_ROWS_MIN ? TILE_ROWS_MIN : min_int(rows, TILE_ROWS_MAX);
    }
    bool few = g->m <= TILE_ROW_UNIT, wide = few && tiles_of(g->n, TILE_COL_UNIT_FEW) >= pool_threads();
    int unit = wide ? TILE_COL_UNIT_FEW : TILE_COL_UNIT;
    rows = round_up(tiles_of(g->m, tiles_of(g->m, rows)), TILE_ROW_UNIT);
    cols = round_up(tiles_of(g->n, tiles_of(g->n, cols)), unit);
    int wanted = work_items((double)(g->m + READ_COST) * g->n * g->k, 1 << 20);
    while (tiles_of(g->m, rows) * tiles_of(g->n, cols) < wanted) {
        bool low = few || rows <= TILE_ROW_UNIT;
        if (low && cols <= unit) break;
        if (low || (cols > unit && cols >= 2 * rows))
            cols = round_up(cols / 2, unit);
        else
            rows = round_up(rows / 2, TILE_ROW_UNIT);
    }
    int row_tiles = tiles_of(g->m, rows);
    return (struct tiles){of, rows, cols, row_tiles, row_tiles * tiles_of(g->n, cols)};
}

void matmul_run_all(const struct matmul *products, int n)
{
    struct job all = {0};
    int tiles = 0;
    CHECK(n <= MATMULS_MOST, "%d products at once", n);
    for (int i = 0; i < n; i++) {
        const struct kern_gemm *g = &products[i].g;
        if (!g->m || !g->n) continue;
        CHECK(g->k > 0, "product over %d", g->k);
        all.list[all.n] = tiles_for(&products[i]);
        tiles += all.list[all.n++].n_tiles;
    }
    pool_for(tiles, matmul_item, &all);
}

void matmul_run(const struct kern_gemm *g, matmul_after after, void *ctx)
{
    matmul_run_all(&(struct matmul){*g, after, ctx}, 1);
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
