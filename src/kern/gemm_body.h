/* gemm_body.h: packing and the matrix product, over any lanes_X.h.
 *
 * As Goto and van de Geijn (2008), cut to what kern.h fixes: GEMM_ROWS x 16 results live in registers
 * through a block of K, the 16 KB of a panel's block stay in the first-level cache while the rows of a block
 * of A pass, and those stay in the second-level cache while the panels pass. While rows pass, the panel's
 * next block is asked for. A row-major A is read where it lies, unless its rows would all fall on the same
 * lines of the cache; a transposed A is first copied, because each k of it lies in a page of its own.
 *
 * Panels in other forms than float32: a lone tile widens each line where it is used, so memory is read once
 * and in few bytes; where several tiles pass, a block of lines is first widened into the first-level cache.
 */
#include "kern/form_body.h"

enum {
    PANEL_VECS = KERN_PANEL / LANES,
    GEMM_A_FLOATS = 1 << 17,     /* a block of A where it lies: half a second-level cache */
    GEMM_A_K = 8 * KERN_K_BLOCK, /* and its length */
    GEMM_COPY_K = KERN_K_BLOCK,
    GEMM_COPY_ROWS = 192,
    GEMM_COPY_PAD = 16,     /* keeps copied rows apart in the cache */
    GEMM_BAD_STRIDE = 1024, /* floats: rows at multiples of it meet in the same lines */
    GEMM_CACHE_LINE = 64,
    GEMM_AHEAD_BYTES = 1536, /* bytes that panels side by side ask for before they come to them */
    GEMM_AHEAD = 64          /* lines that a lone tile asks for before it comes to them */
};
_Static_assert(GEMM_COPY_ROWS *(GEMM_COPY_K + GEMM_COPY_PAD) <= KERN_SCRATCH, "scratch for a block of A");
_Static_assert(GEMM_COPY_ROWS % GEMM_ROWS == 0 && KERN_PANEL % LANES == 0, "whole tiles");

struct gemm_tile {
    const float *a;
    ptrdiff_t a_row, a_col; /* a_col other than 1 only until a is copied */
    const char *b;          /* lines of the form */
    ptrdiff_t b_panel;      /* bytes to the next panel */
    const char *b_end;      /* of the first panel */
    float *c;
    ptrdiff_t c_row;
    const char *ahead; /* what to ask memory for, how far to go at each k, and to the next panel */
    ptrdiff_t ahead_step, ahead_panel;
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

/* The last panel may have fewer columns in C than accumulators: sums holds `width` for each row. */
static void gemm_store_edge(const struct gemm_tile *t, int rows, int width, const float *sums)
{
    for (int i = 0; i < rows; i++, sums += width) {
        float *c = t->c + i * t->c_row;
        for (int j = 0; j < t->n; j++) c[j] = t->add ? c[j] + sums[j] : sums[j];
    }
}

/* What the lines of a tile are multiplied and added to. Rows of A are reached from the first of each three:
 * an address holds once and twice their distance, and more pointers would need more registers. */
struct gemm_run {
    const float *a[(GEMM_ROWS + 2) / 3];
    ptrdiff_t a_row;
    const char *b, *ahead;
    struct form_lanes f[GEMM_WIDE * PANEL_VECS];
    vf acc[GEMM_TILE_VECS];
};

/* What a tile's code is made for: constants wherever these are inlined. */
struct gemm_kind {
    enum kern_form form;
    int rows, panels;
    bool lone;       /* no other tile meets these panels */
    bool tiles, far; /* as in struct gemm_tile */
};
#define GEMM_BASES(kind) ((kind).tiles ? 1 : ((kind).rows + 2) / 3)

INLINE void gemm_begin(struct gemm_run *r, const struct gemm_tile *t, const struct gemm_kind kind)
{
    r->b = t->b;
    r->ahead = t->ahead;
    r->a_row = t->a_row;
    const int bases = GEMM_BASES(kind);
    UNROLL for (int i = 0; i < bases; i++) r->a[i] = t->a + 3 * i * t->a_row;
    UNROLL for (int i = 0; i < kind.rows * kind.panels * PANEL_VECS; i++) r->acc[i] = vf_set(0);
}

/* Row i of A at a line of the step. */
INLINE float gemm_a(const struct gemm_run *r, const struct gemm_kind kind, int i, int line)
{
    return kind.tiles ? r->a[0][line * kind.rows + i] : r->a[i / 3][i % 3 * r->a_row + line];
}

INLINE void gemm_line(struct gemm_run *r, const struct gemm_tile *t, const struct gemm_kind kind,
                      const int line)
{
    const int cols = kind.panels * PANEL_VECS;
    vf bv[GEMM_WIDE * PANEL_VECS];
    UNROLL for (int j = 0; j < cols; j++) bv[j] =
        form_line(&r->f[j], kind.form, r->b + j / PANEL_VECS * t->b_panel, line, j % PANEL_VECS * LANES);
    UNROLL for (int i = 0; i < kind.rows; i++)
    {
        vf av = vf_set(gemm_a(r, kind, i, line));
        UNROLL for (int j = 0; j < cols; j++) vf_fma_to(r->acc[i * cols + j], av, bv[j]);
    }
}

/* Ask memory for what comes later than the lines of this step. */
INLINE void gemm_ask(struct gemm_run *r, const struct gemm_tile *t, const struct gemm_kind kind,
                     const int lines)
{
    if (!kind.lone || kind.panels == 1) {
        /* Tiles that share the asking take a part of a line each. */
        const int asks = kind.far || lines == 1 ? lines : 2;
        UNROLL for (int i = 0; i < asks * kind.panels; i++)
        {
            const char *ahead = r->ahead + i % kind.panels * t->ahead_panel;
            if (kind.far)
                __builtin_prefetch(ahead, 0, 2);
            else
                __builtin_prefetch(ahead, 0, 3);
            if (i % kind.panels == kind.panels - 1) r->ahead += lines / asks * t->ahead_step;
        }
    } else {
        const int bytes = lines * FORM_LINE(kind.form);
        const int each = (bytes + GEMM_CACHE_LINE - 1) / GEMM_CACHE_LINE, asks = each * kind.panels;
        const char *b = r->b + GEMM_AHEAD_BYTES;
        if (b >= t->b_end) b += (kind.panels - 1) * t->b_panel; /* what comes behind the last of them */
        UNROLL for (int i = 0; i < asks; i++)
            __builtin_prefetch(b + i / each * t->b_panel + i % each * GEMM_CACHE_LINE, 0, 2);
    }
}

/* The lines of a step. */
INLINE void gemm_step(struct gemm_run *r, const struct gemm_tile *t, const struct gemm_kind kind,
                      const int lines)
{
    const int cols = kind.panels * PANEL_VECS, bases = GEMM_BASES(kind);
    gemm_ask(r, t, kind, lines);
    /* A compiler that knew how the pointers hang together would work out an address for each row and line. */
    UNROLL for (int i = 0; i < bases; i++) stays(r->a[i]);
    stays(r->a_row);
    UNROLL for (int j = 0; j < cols; j++)
        form_step(&r->f[j], kind.form, r->b + j / PANEL_VECS * t->b_panel, j % PANEL_VECS * LANES);
    UNROLL for (int line = 0; line < lines; line++) gemm_line(r, t, kind, line);
    UNROLL for (int i = 0; i < bases; i++) r->a[i] += kind.tiles ? lines * kind.rows : lines;
    r->b += lines * FORM_LINE(kind.form);
}

/* rows x panels of C over one block of K. */
INLINE void gemm_tile(const struct gemm_tile *t, const struct gemm_kind kind)
{
    const int rows = kind.rows, panels = kind.panels, cols = panels * PANEL_VECS;
    const int lines = FORM_GROUPED(kind.form) ? FORM_STEP(kind.form) : LINES;
    struct gemm_run r;
    gemm_begin(&r, t, kind);
    if (!kind.lone && t->add) {
        /* What is added to at the end may lie far away: a gradient of weights is met once in each block of K.
         */
        UNROLL for (int i = 0; i < rows * panels; i++)
            __builtin_prefetch(t->c + i / panels * t->c_row + i % panels * KERN_PANEL, 1, 3);
    }
    if (FORM_GROUPED(kind.form)) {
        for (int k = 0; k < t->k; k += KERN_GROUP) {
            UNROLL for (int j = 0; j < cols; j++)
                form_group(&r.f[j], kind.form, r.b + j / PANEL_VECS * t->b_panel, j % PANEL_VECS * LANES);
            r.b += FORM_HEAD(kind.form);
            ROLL for (int i = 0; i < KERN_GROUP; i += lines) gemm_step(&r, t, kind, lines);
        }
    } else {
        int k = 0;
        ROLL for (; k + lines <= t->k; k += lines) gemm_step(&r, t, kind, lines);
        ROLL for (; k < t->k; k++) gemm_step(&r, t, kind, 1);
    }
    vf *acc = r.acc;
    if (t->n < panels * KERN_PANEL) {
        float sums[GEMM_TILE_VECS * LANES];
        UNROLL for (int i = 0; i < rows * cols; i++) vf_store(sums + i * LANES, acc[i]);
        gemm_store_edge(t, rows, cols * LANES, sums);
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
 * three rows; beyond that it is memory that gains, which reads several streams faster than one. What widens a
 * line takes registers too. */
#define GEMM_FIT(rows) (GEMM_TILE_VECS / ((rows)*PANEL_VECS))
#define GEMM_MOST(form)                                                                                      \
    (FORM_NIBBLES(form) ? GEMM_WIDE_NIBBLES : (form) == KERN_F32 ? GEMM_WIDE : GEMM_WIDE_NARROW)
#define GEMM_DIVISOR(n) ((n) < 2 ? 1 : (n) < 3 ? 2 : (n) < 6 ? 3 : 6) /* of six: none of them is left over */
#define GEMM_PANELS(form, rows)                                                                              \
    GEMM_DIVISOR(GEMM_FIT(rows) < GEMM_MOST(form) ? GEMM_FIT(rows) : GEMM_MOST(form))

/* Constant rows for a tile; what never comes (gemm_block) is not compiled. */
#define GEMM_COMES(form, r) ((r) <= (FORM_NIBBLES(form) ? GEMM_ROWS_NIBBLES : GEMM_ROWS))
#define GEMM_CASE(r, call)                                                                                   \
    case r:                                                                                                  \
        if (GEMM_COMES(form, r)) call(r);                                                                    \
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

/* What is met by one tile alone: a few panels at once, or the last one. */
INLINE void gemm_tile_lone(const enum kern_form form, const struct gemm_tile *t, int rows, int panels)
{
#define WIDE(r) gemm_tile(t, (struct gemm_kind){form, r, GEMM_PANELS(form, r), true, false, false})
#define LAST(r) gemm_tile(t, (struct gemm_kind){form, r, 1, true, false, true})
    if (panels > 1)
        GEMM_CASES(rows, WIDE)
    else
        GEMM_CASES(rows, LAST)
#undef WIDE
#undef LAST
}

/* Panels that several tiles meet, or a transposed A: always float32. */
INLINE void gemm_tile_of_many(const struct gemm_tile *t, int rows, const int panels)
{
    const enum kern_form form = KERN_F32;
#define FAR(r)   gemm_tile(t, (struct gemm_kind){form, r, panels, false, false, true})
#define NEAR(r)  gemm_tile(t, (struct gemm_kind){form, r, panels, false, false, false})
#define TILES(r) gemm_tile(t, (struct gemm_kind){form, r, panels, false, true, false})
    if (t->tiles)
        GEMM_CASES(rows, TILES)
    else if (t->far)
        GEMM_CASES(rows, FAR)
    else
        GEMM_CASES(rows, NEAR)
#undef FAR
#undef NEAR
#undef TILES
}

/* GCC's usual way to give out registers copies every seventh sum in a step of unrolled lines. */
#if defined(__GNUC__) && !defined(__clang__)
#define GEMM_REGISTERS __attribute__((optimize("ira-algorithm=priority")))
#else
#define GEMM_REGISTERS
#endif

GEMM_REGISTERS static void gemm_tile_many(const struct gemm_tile *t, int rows, int panels)
{
    if (GEMM_SIDE == 1 || panels == 1)
        gemm_tile_of_many(t, rows, 1);
    else
        gemm_tile_of_many(t, rows, GEMM_SIDE);
}

#define GEMM_FORM(form, registers)                                                                           \
    registers static void gemm_tile_##form(const struct gemm_tile *t, int rows, int panels)                  \
    {                                                                                                        \
        gemm_tile_lone(form, t, rows, panels);                                                               \
    }                                                                                                        \
    static void gemm_widen_##form(float *y, const char *p, int k)                                            \
    {                                                                                                        \
        form_widen(y, form, p, k);                                                                           \
    }
#define GEMM_ROW(form) [form] = {gemm_tile_##form, gemm_widen_##form}
GEMM_FORM(KERN_F32, GEMM_REGISTERS)
GEMM_FORM(KERN_BF16, )
GEMM_FORM(KERN_F16, )
GEMM_FORM(KERN_Q8, )
GEMM_FORM(KERN_Q4, )
GEMM_FORM(KERN_Q4_LEAST, )

static const struct gemm_form {
    void (*tile)(const struct gemm_tile *t, int rows, int panels); /* a lone one */
    void (*widen)(float *y, const char *p, int k);
} gemm_forms[KERN_FORMS] = {GEMM_ROW(KERN_F32), GEMM_ROW(KERN_BF16), GEMM_ROW(KERN_F16),
                            GEMM_ROW(KERN_Q8),  GEMM_ROW(KERN_Q4),   GEMM_ROW(KERN_Q4_LEAST)};

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
    /* gemm_rows divides the last two tiles evenly, unless all are whole. */
    int even = m % GEMM_ROWS == 0 || m < GEMM_ROWS ? 0 : GEMM_ROWS;
    int whole = t->a_row == 1 ? m / GEMM_ROWS * GEMM_ROWS - even : 0;
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

/* The tiles of m rows of C, one panel or a few, one block of K; form: of a lone tile, else NULL. */
static void gemm_column(struct gemm_tile t, const struct gemm_form *form, int m, int panels)
{
    int n_tiles = (m + GEMM_ROWS - 1) / GEMM_ROWS;
    /* Together the tiles ask for the next block; a lone one for the lines a little before it. With few tiles
     * a block is soon done, and what is asked for would drive it out of the first-level cache. */
    t.far = n_tiles <= 2;
    t.ahead += n_tiles > 1 ? t.k * t.ahead_step : GEMM_AHEAD * t.ahead_step;
    if (t.ahead >= t.b_end) t.ahead += (panels - 1) * t.ahead_panel; /* what comes behind them all */
    t.ahead_step = t.ahead_step < 4 * n_tiles ? 4 : t.ahead_step / n_tiles;
    for (int i = 0, rows; i < m; i += rows) {
        rows = gemm_rows(m - i);
        (form ? form->tile : gemm_tile_many)(&t, rows, panels);
        t.a += t.tiles ? rows * t.k : rows * t.a_row;
        t.c += rows * t.c_row;
        t.ahead += t.ahead_step * t.k;
    }
}

/* m rows of C, all columns, k steps of K. */
static void gemm_block(const struct kern_gemm *g, const struct gemm_tile *t, int m, int k)
{
    _Alignas(64) float widened[GEMM_SIDE][KERN_K_BLOCK * KERN_PANEL];
    const struct gemm_form *form = &gemm_forms[g->form];
    const bool alone = m <= (FORM_NIBBLES(g->form) ? GEMM_ROWS_NIBBLES : GEMM_ROWS) && !t->tiles;
    bool widens = g->form != KERN_F32 && !alone;
    int panels = alone ? GEMM_PANELS(g->form, m) : GEMM_SIDE;
    for (int n = 0; n < g->n; n += panels * KERN_PANEL) {
        if (g->n - n < panels * KERN_PANEL) panels = 1;
        struct gemm_tile u = *t;
        const char *b = t->b + n / KERN_PANEL * t->b_panel;
        u.c += n;
        u.b_end = b + t->b_panel;
        u.n = g->n - n;
        for (int left = k; left > 0; left -= u.k) {
            u.k = left < KERN_K_BLOCK ? left : KERN_K_BLOCK;
            u.b = u.ahead = b;
            for (int i = 0; widens && i < panels; i++) form->widen(widened[i], b + i * t->b_panel, u.k);
            if (widens) {
                u.b = (const char *)widened;
                u.b_panel = sizeof *widened;
            }
            gemm_column(u, alone ? form : NULL, m, panels);
            u.a += t->tiles ? m * u.k : u.k;
            b += kern_lines_bytes(g->form, u.k);
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
        gemm_copy_tiles(to, t, m, k);
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
                                  .b = (const char *)g->panels + kern_lines_bytes(g->form, k0),
                                  .b_panel = (ptrdiff_t)kern_lines_bytes(g->form, g->k),
                                  .ahead_panel = (ptrdiff_t)kern_lines_bytes(g->form, g->k),
                                  .c = g->c + m0 * g->c_row,
                                  .c_row = g->c_row,
                                  .ahead_step = kern_forms[g->form].bytes / kern_forms[g->form].lines,
                                  .add = k0 || g->accumulate};
            if (copies) gemm_copy(&t, m, k);
            gemm_block(g, &t, m, k);
        }
}
