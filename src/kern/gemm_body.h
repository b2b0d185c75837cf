/* gemm_body.h: packing and the matrix product, over any lanes_X.h.
 *
 * As Goto and van de Geijn (2008), cut to what kern.h fixes: GEMM_ROWS x 16 results live in registers
 * through a block of K, the 16 KB of a panel's block stay in the first-level cache while the rows of a block
 * of A pass, and those stay in the second-level cache while the panels pass. While rows pass, the panel's
 * next block is asked for. A row-major A is read where it lies, unless its rows would all fall on the same
 * lines of the cache; a transposed A is first copied, because each k of it lies in a page of its own.
 */
#include "kern/body.h"

enum {
    PANEL_VECS = KERN_PANEL / LANES,
    GEMM_FAST_ROWS = 4,          /* so few follow memory by themselves */
    GEMM_WIDE = 4,               /* panels at once, at most */
    GEMM_A_FLOATS = 1 << 17,     /* a block of A where it lies: half a second-level cache */
    GEMM_A_K = 8 * KERN_K_BLOCK, /* and its length */
    GEMM_COPY_K = 2 * KERN_K_BLOCK,
    GEMM_COPY_ROWS = 96,
    GEMM_COPY_PAD = 16,    /* keeps copied rows apart in the cache */
    GEMM_BAD_STRIDE = 512, /* floats: rows at multiples of it meet in the same lines */
    GEMM_LINE = 64,
    GEMM_AHEAD = 64 /* lines that a lone tile asks for before it comes to them */
};
_Static_assert(GEMM_COPY_ROWS *(GEMM_COPY_K + GEMM_COPY_PAD) <= KERN_SCRATCH, "scratch for a block of A");
_Static_assert(GEMM_COPY_ROWS % GEMM_ROWS == 0 && KERN_PANEL % LANES == 0, "whole tiles");

struct gemm_tile {
    const float *a;
    ptrdiff_t a_row, a_col;
    const float *b;
    ptrdiff_t b_panel; /* to the next panel */
    float *c;
    ptrdiff_t c_row;
    const char *ahead; /* what to ask memory for, and how far to go at each k */
    ptrdiff_t ahead_step;
    int k, n;   /* steps; columns of C from here on */
    bool add;   /* to what C holds */
    bool tiles; /* a points to tiles [k][rows of the tile] */
    bool far;   /* ask memory for the second-level cache only */
};

/* ---- packing ------------------------------------------------------------------------------------------- */

/* 16 rows (those from `rows` on are zero) times 16 k: a cache line of each row is used whole. */
INLINE void pack_square(float *panel, const float *b, ptrdiff_t ld, int rows)
{
    for (int j = 0; j < KERN_PANEL; j += LANES)
        for (int k = 0; k < KERN_PANEL; k += LANES) {
            vf r[LANES];
            UNROLL for (int i = 0; i < LANES; i++) r[i] =
                j + i < rows ? vf_load(b + (j + i) * ld + k) : vf_set(0);
            vf_transpose(r);
            UNROLL for (int i = 0; i < LANES; i++) vf_store(panel + (k + i) * KERN_PANEL + j, r[i]);
        }
}

static void body_pack_rows(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    for (int p = 0; p < n; p += KERN_PANEL, b += KERN_PANEL * ld) {
        int i = 0, rows = n - p;
        if (rows >= KERN_PANEL)
            for (; i + KERN_PANEL <= k; i += KERN_PANEL, panels += KERN_PANEL * KERN_PANEL)
                pack_square(panels, b + i, ld, KERN_PANEL);
        else
            for (; i + KERN_PANEL <= k; i += KERN_PANEL, panels += KERN_PANEL * KERN_PANEL)
                pack_square(panels, b + i, ld, rows);
        for (; i < k; i++)
            for (int j = 0; j < KERN_PANEL; j++) *panels++ = j < rows ? b[j * ld + i] : 0.0F;
    }
}

/* One k of `count` panels side by side. */
INLINE void pack_line(float *panels, ptrdiff_t panel, const float *b, const int count)
{
    UNROLL for (int j = 0; j < count * PANEL_VECS; j++)
        vf_store(panels + j / PANEL_VECS * panel + j % PANEL_VECS * LANES, vf_load(b + j * LANES));
}

static void body_pack_cols(float *panels, const float *b, ptrdiff_t ld, int n, int k)
{
    enum { SIDE = 4 }; /* what a row of B holds of four panels is read at once */
    const ptrdiff_t panel = (ptrdiff_t)k * KERN_PANEL;
    int p = 0;
    for (; p + SIDE * KERN_PANEL <= n; p += SIDE * KERN_PANEL, panels += SIDE * panel)
        for (int i = 0; i < k; i++) pack_line(panels + i * KERN_PANEL, panel, b + i * ld + p, SIDE);
    for (; p + KERN_PANEL <= n; p += KERN_PANEL, panels += panel)
        for (int i = 0; i < k; i++) pack_line(panels + i * KERN_PANEL, panel, b + i * ld + p, 1);
    for (int i = 0; p < n && i < k; i++)
        for (int j = 0; j < KERN_PANEL; j++)
            panels[i * KERN_PANEL + j] = p + j < n ? b[i * ld + p + j] : 0.0F;
}

/* ---- one tile ------------------------------------------------------------------------------------------ */

/* The last panel may have fewer columns in C than accumulators. */
INLINE void gemm_store_edge(const struct gemm_tile *t, const int rows, const int cols, const vf *acc)
{
    UNROLL for (int i = 0; i < rows; i++)
    {
        float row[GEMM_WIDE * KERN_PANEL], *c = t->c + i * t->c_row;
        UNROLL for (int j = 0; j < cols; j++) vf_store(row + j * LANES, acc[i * cols + j]);
        for (int j = 0; j < t->n; j++) c[j] = t->add ? c[j] + row[j] : row[j];
    }
}

/* rows x panels of C over one block of K; both are constants where this is inlined. */
INLINE void gemm_tile(const struct gemm_tile *t, const int rows, const int panels, const bool far)
{
    const int cols = panels * PANEL_VECS;
    const float *a = t->a, *b = t->b;
    const char *ahead = t->ahead;
    vf acc[GEMM_TILE_VECS];
    UNROLL for (int i = 0; i < rows * cols; i++) acc[i] = vf_set(0);
    for (int k = 0; k < t->k; k++, a += t->a_col, b += KERN_PANEL) {
        vf bv[GEMM_WIDE * PANEL_VECS];
        if (panels == 1) {
            if (far)
                __builtin_prefetch(ahead, 0, 2);
            else
                __builtin_prefetch(ahead, 0, 3);
            ahead += t->ahead_step;
        } else if (rows > GEMM_FAST_ROWS) {
            UNROLL for (int j = 0; j < panels; j++)
                __builtin_prefetch(b + j * t->b_panel + GEMM_AHEAD * KERN_PANEL, 0, 2);
        }
        UNROLL for (int j = 0; j < cols; j++) bv[j] =
            vf_load(b + j / PANEL_VECS * t->b_panel + j % PANEL_VECS * LANES);
        UNROLL for (int i = 0; i < rows; i++)
        {
            vf av = vf_set(a[i * t->a_row]);
            UNROLL for (int j = 0; j < cols; j++) acc[i * cols + j] = vf_fma(av, bv[j], acc[i * cols + j]);
        }
    }
    if (t->n < panels * KERN_PANEL) {
        gemm_store_edge(t, rows, cols, acc);
        return;
    }
    if (t->add) {
        UNROLL for (int i = 0; i < rows * cols; i++) acc[i] =
            vf_add(vf_load(t->c + i / cols * t->c_row + i % cols * LANES), acc[i]);
    }
    UNROLL for (int i = 0; i < rows * cols; i++)
        vf_store(t->c + i / cols * t->c_row + i % cols * LANES, acc[i]);
}

/* Panels that a lone tile of so many rows takes at once. One panel would not fill the pipeline with up to
 * three rows; beyond that it is memory that gains, which reads several streams faster than one. */
#define GEMM_FIT(rows)    (GEMM_TILE_VECS / ((rows)*PANEL_VECS))
#define GEMM_PANELS(rows) (GEMM_FIT(rows) > GEMM_WIDE ? GEMM_WIDE : GEMM_FIT(rows) < 1 ? 1 : GEMM_FIT(rows))

/* Constant rows for a tile; what is above GEMM_ROWS never comes and is not compiled. */
#define GEMM_CASE(r, call)                                                                                   \
    case r:                                                                                                  \
        if (r <= GEMM_ROWS) call(r);                                                                         \
        break;
#define GEMM_CASES(rows, call)                                                                               \
    switch (rows) {                                                                                          \
        GEMM_CASE(1, call)                                                                                   \
        GEMM_CASE(2, call)                                                                                   \
        GEMM_CASE(3, call)                                                                                   \
        GEMM_CASE(4, call)                                                                                   \
        GEMM_CASE(5, call)                                                                                   \
        GEMM_CASE(6, call)                                                                                   \
        GEMM_CASE(7, call)                                                                                   \
        GEMM_CASE(8, call)                                                                                   \
        GEMM_CASE(9, call)                                                                                   \
        GEMM_CASE(10, call)                                                                                  \
        GEMM_CASE(11, call)                                                                                  \
        GEMM_CASE(12, call)                                                                                  \
    }

static void gemm_tile_one(const struct gemm_tile *t, int rows)
{
#define TILE(r) t->far ? gemm_tile(t, r, 1, true) : gemm_tile(t, r, 1, false)
    GEMM_CASES(rows, TILE)
#undef TILE
}

static void gemm_tile_wide(const struct gemm_tile *t, int rows)
{
#define TILE(r) gemm_tile(t, r, GEMM_PANELS(r), false)
    GEMM_CASES(rows, TILE)
#undef TILE
}

/* ---- the product --------------------------------------------------------------------------------------- */

/* Rows of the next tile when m are left: whole tiles, at the end two even ones. */
static int gemm_rows(int m)
{
    return m <= GEMM_ROWS ? m : m < 2 * GEMM_ROWS ? (m + 1) / 2 : GEMM_ROWS;
}

/* m rows of a transposed A as tiles [k][rows of the tile]. */
static void gemm_copy_tiles(float *to, const struct gemm_tile *t, int m, int k)
{
    const float *a = t->a;
    int whole = m < 2 * GEMM_ROWS || t->a_row != 1 ? 0 : (m / GEMM_ROWS - 1) * GEMM_ROWS;
    for (int i = 0; i < k; i++, a += t->a_col) {
        int from = 0;
        for (; from < whole; from += GEMM_ROWS)
            memcpy(to + from * k + i * GEMM_ROWS, a + from, GEMM_ROWS * sizeof(float));
        for (int rows; from < m; from += rows) {
            rows = gemm_rows(m - from);
            for (int j = 0; j < rows; j++) to[from * k + i * rows + j] = a[(from + j) * t->a_row];
        }
    }
}

/* The tiles of m rows of C, one panel or a few, one block of K. */
static void gemm_column(struct gemm_tile t, int m, int panels)
{
    int n_tiles = (m + GEMM_ROWS - 1) / GEMM_ROWS;
    /* Together the tiles ask for the next block; a lone one for the lines a little before it. With few tiles
     * a block is soon done, and what is asked for would drive it out of the first-level cache. */
    t.far = n_tiles <= 2;
    t.ahead = (const char *)(t.b + (n_tiles > 1 ? t.k : GEMM_AHEAD) * KERN_PANEL);
    t.ahead_step = n_tiles > GEMM_LINE / 4 ? 4 : GEMM_LINE / n_tiles;
    for (int i = 0, rows; i < m; i += rows) {
        rows = gemm_rows(m - i);
        if (t.tiles) t.a_col = rows;
        if (panels > 1)
            gemm_tile_wide(&t, rows);
        else
            gemm_tile_one(&t, rows);
        t.a += t.tiles ? rows * t.k : rows * t.a_row;
        t.c += rows * t.c_row;
        t.ahead += t.ahead_step * t.k;
    }
}

/* m rows of C, all columns, k steps of K. */
static void gemm_block(const struct kern_gemm *g, const struct gemm_tile *t, int m, int k)
{
    for (int n = 0, panels = m <= GEMM_ROWS ? GEMM_PANELS(m) : 1; n < g->n; n += panels * KERN_PANEL) {
        if (g->n - n < panels * KERN_PANEL) panels = 1;
        struct gemm_tile u = *t;
        u.b += n / KERN_PANEL * t->b_panel;
        u.c += n;
        u.n = g->n - n;
        for (int left = k; left > 0; left -= u.k) {
            u.k = left < KERN_K_BLOCK ? left : KERN_K_BLOCK;
            gemm_column(u, m, panels);
            u.a += t->tiles ? m * u.k : u.k;
            u.b += u.k * KERN_PANEL;
            u.add = true;
        }
    }
}

/* Copy what the tile points to of A, m rows and k steps, to scratch. */
static void gemm_copy(struct gemm_tile *t, int m, int k)
{
    float *to = kern_scratch();
    t->tiles = t->a_col != 1;
    if (t->tiles) {
        struct gemm_tile part = *t;
        for (int i = 0; i < k; i += KERN_K_BLOCK, part.a += KERN_K_BLOCK * t->a_col)
            gemm_copy_tiles(to + i * m, &part, m, k - i < KERN_K_BLOCK ? k - i : KERN_K_BLOCK);
    } else {
        for (int i = 0; i < m; i++)
            memcpy(to + i * (GEMM_COPY_K + GEMM_COPY_PAD), t->a + i * t->a_row, (size_t)k * sizeof(float));
        t->a_row = GEMM_COPY_K + GEMM_COPY_PAD;
    }
    t->a = to;
}

static void body_gemm(const struct kern_gemm *g)
{
    bool copies = g->a_col != 1 || (g->a_row % GEMM_BAD_STRIDE == 0 && g->m > 4);
    int k_max = copies ? GEMM_COPY_K : GEMM_A_K, m_max = GEMM_COPY_ROWS;
    if (!copies) m_max = GEMM_A_FLOATS / (g->k < k_max ? g->k : k_max) / GEMM_ROWS * GEMM_ROWS;
    for (int k0 = 0; k0 < g->k; k0 += k_max)
        for (int m0 = 0; m0 < g->m; m0 += m_max) {
            int m = g->m - m0 < m_max ? g->m - m0 : m_max, k = g->k - k0 < k_max ? g->k - k0 : k_max;
            struct gemm_tile t = {.a = g->a + m0 * g->a_row + k0 * g->a_col,
                                  .a_row = g->a_row,
                                  .a_col = g->a_col,
                                  .b = g->panels + (ptrdiff_t)k0 * KERN_PANEL,
                                  .b_panel = (ptrdiff_t)g->k * KERN_PANEL,
                                  .c = g->c + m0 * g->c_row,
                                  .c_row = g->c_row,
                                  .add = k0 || g->accumulate};
            if (copies) gemm_copy(&t, m, k);
            gemm_block(g, &t, m, k);
        }
}
