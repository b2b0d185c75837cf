/* gemm_avx2.c: the matrix product in 6 x 16 tiles: twelve accumulators, two loads and six broadcasts a step.
 *
 * Lanes run over outputs, and k in order in blocks of KERN_K_BLOCK, so every element is formed as ref.c forms it.
 * For each block of k, up to ROWS_MAX rows of A are copied so that the rows of a tile lie side by side (its part
 * then streams from the second-level cache), while one panel's block of B, 16 KiB, stays in the first level.
 * One or two rows (decoding) take several panels at once: the chains of a single one could not hide FMA's latency.
 */
#include <immintrin.h>

#include "kern/kern_int.h"

enum { TILE = 6, ROWS_MAX = 96, WIDE = 4 };

struct strip {
    const float *a;     /* a[k*rows + r] */
    const float *panel; /* [k][16]; the next panel is panel_step floats on */
    ptrdiff_t panel_step;
    float *c;
    ptrdiff_t c_row;
    int k;
    bool add;
};

/* rows x (panels*16) of C. Both counts are constants where it is called: everything unrolls into registers. */
__attribute__((always_inline)) static inline void tile(const struct strip *s, const int rows,
                                                       const int panels)
{
    __m256 lo[2 * WIDE], hi[2 * WIDE];
#pragma GCC unroll 8
    for (int i = 0; i < rows * panels; i++) lo[i] = hi[i] = _mm256_setzero_ps();
    const float *a = s->a, *b = s->panel;
    for (int k = 0; k < s->k; k++, a += rows, b += KERN_PANEL) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) {
            __m256 b0 = _mm256_loadu_ps(b + p * s->panel_step),
                   b1 = _mm256_loadu_ps(b + p * s->panel_step + 8);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                __m256 x = _mm256_broadcast_ss(a + r);
                lo[p * rows + r] = _mm256_fmadd_ps(x, b0, lo[p * rows + r]);
                hi[p * rows + r] = _mm256_fmadd_ps(x, b1, hi[p * rows + r]);
            }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float *c = s->c + r * s->c_row + p * KERN_PANEL;
            __m256 y0 = lo[p * rows + r], y1 = hi[p * rows + r];
            if (s->add) {
                y0 = _mm256_add_ps(_mm256_loadu_ps(c), y0);
                y1 = _mm256_add_ps(_mm256_loadu_ps(c + 8), y1);
            }
            _mm256_storeu_ps(c, y0);
            _mm256_storeu_ps(c + 8, y1);
        }
    }
}

static void tile_rows(const struct strip *s, int rows)
{
    switch (rows) {
    case 1: tile(s, 1, 1); break;
    case 2: tile(s, 2, 1); break;
    case 3: tile(s, 3, 1); break;
    case 4: tile(s, 4, 1); break;
    case 5: tile(s, 5, 1); break;
    default: tile(s, 6, 1); break;
    }
}

/* The last panel when it is not full: work it out aside and copy what is there. */
static void tile_narrow(const struct strip *s, int rows, int width)
{
    float aside[TILE * KERN_PANEL];
    struct strip t = *s;
    t.c = aside;
    t.c_row = KERN_PANEL;
    t.add = false;
    tile_rows(&t, rows);
    for (int r = 0; r < rows; r++) {
        float *c = s->c + r * s->c_row;
        for (int j = 0; j < width; j++) {
            float y = aside[r * KERN_PANEL + j];
            c[j] = s->add ? c[j] + y : y;
        }
    }
}

static void pack_a(float *out, const struct kern_gemm *g, int m0, int rows, int k0, int k)
{
    const float *a = g->a + m0 * g->a_row + k0 * g->a_col;
    for (int i = 0; i < k; i++)
        for (int r = 0; r < rows; r++) *out++ = a[r * g->a_row + i * g->a_col];
}

/* All of C's columns for one strip of at most two rows. */
static void thin(const struct kern_gemm *g, struct strip s, int rows, int k0)
{
    int n = 0;
    for (; n + WIDE * KERN_PANEL <= g->n; n += WIDE * KERN_PANEL) {
        s.panel = g->panels + (ptrdiff_t)n * g->k + (ptrdiff_t)k0 * KERN_PANEL;
        s.c = g->c + n;
        if (rows == 1) {
            tile(&s, 1, 4);
        } else {
            tile(&s, 2, 2);
            s.panel += 2 * s.panel_step;
            s.c += 2 * KERN_PANEL;
            tile(&s, 2, 2);
        }
    }
    for (; n < g->n; n += KERN_PANEL) {
        s.panel = g->panels + (ptrdiff_t)n * g->k + (ptrdiff_t)k0 * KERN_PANEL;
        s.c = g->c + n;
        if (g->n - n >= KERN_PANEL)
            tile_rows(&s, rows);
        else
            tile_narrow(&s, rows, g->n - n);
    }
}

void avx2_gemm(const struct kern_gemm *g);
void avx2_gemm(const struct kern_gemm *g)
{
    _Alignas(64) float packed[ROWS_MAX * KERN_K_BLOCK];
    for (int k0 = 0; k0 < g->k; k0 += KERN_K_BLOCK) {
        int k = g->k - k0 < KERN_K_BLOCK ? g->k - k0 : KERN_K_BLOCK;
        struct strip s = {.panel_step = (ptrdiff_t)g->k * KERN_PANEL,
                          .c_row = g->c_row,
                          .k = k,
                          .add = k0 > 0 || g->accumulate};
        for (int m0 = 0; m0 < g->m; m0 += ROWS_MAX) {
            int rows = g->m - m0 < ROWS_MAX ? g->m - m0 : ROWS_MAX;
            for (int r = 0; r < rows; r += TILE)
                pack_a(packed + r * k, g, m0 + r, rows - r < TILE ? rows - r : TILE, k0, k);
            if (g->m <= 2) {
                s.a = packed;
                thin(g, s, rows, k0);
                continue;
            }
            for (int n = 0; n < g->n; n += KERN_PANEL) {
                s.panel = g->panels + (ptrdiff_t)n * g->k + (ptrdiff_t)k0 * KERN_PANEL;
                for (int r = 0; r < rows; r += TILE) {
                    int height = rows - r < TILE ? rows - r : TILE;
                    s.a = packed + r * k;
                    s.c = g->c + (m0 + r) * g->c_row + n;
                    if (g->n - n >= KERN_PANEL)
                        tile_rows(&s, height);
                    else
                        tile_narrow(&s, height, g->n - n);
                }
            }
        }
    }
}
