/* steps_products.c: the matrix products of a layer of SmolLM2-135M in training, as op/ makes them.
 *
 * A work goes over the seven weights of some layers: y = x W^T; dx = dy W; dW += dy^T x. Packing the second
 * factor is part of each, as it is in a step, where a weight has changed since it was packed last. The layers
 * lie apart, so that the caches are no warmer than in a step.
 */
#include "steps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/pool.h"
#include "op/op.h"

enum { HIDDEN = 576, WIDE = 1536, LAYERS = 4 };

static const struct shape {
    int in, out;
} shapes[] = {{HIDDEN, HIDDEN}, {HIDDEN, 192},  {HIDDEN, 192}, {HIDDEN, HIDDEN},
              {HIDDEN, WIDE},   {HIDDEN, WIDE}, {WIDE, HIDDEN}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static const struct work {
    const char *name;
    int rows;
} works[] = {{"layer, 512 tokens", 512}, {"layer, 1024 tokens", 1024}, {"layer, 4096 tokens", 4096}};

enum { X, DY, Y, DX, W, DW, BUFFERS }; /* what a weight's products read and write: `of` below */

enum { ROWS, IN, OUT, SIZES };

/* C [m, n] = A [m, k] B [k, n]: B is packed from `second`, whose rows are IN long; A is `first` or its
 * transpose. */
static const struct product {
    const char *name;
    int c, first, second; /* buffers */
    int m, n, k;          /* sizes */
    void (*pack)(float *panels, const float *b, ptrdiff_t ld, int n, int k);
    bool transposed, accumulate;
} products[] = {{"forward", Y, X, W, ROWS, OUT, IN, matmul_pack_rows, false, false},
                {"gradient of inputs", DX, DY, W, ROWS, IN, OUT, matmul_pack_cols, false, false},
                {"gradient of weights", DW, DY, X, OUT, IN, ROWS, matmul_pack_cols, true, true}};
enum { N_PRODUCTS = sizeof products / sizeof *products };

static void run_product(const struct product *p, int rows, const struct shape *s, float *const *of,
                        float *panels)
{
    const int size[SIZES] = {rows, s->in, s->out};
    struct kern_gemm g = {.m = size[p->m], .n = size[p->n], .k = size[p->k], .accumulate = p->accumulate};
    g.a = of[p->first];
    g.a_row = p->transposed ? 1 : g.k;
    g.a_col = p->transposed ? g.m : 1;
    g.panels = panels;
    g.c = of[p->c];
    g.c_row = g.n;
    p->pack(panels, of[p->second], s->in, g.n, g.k);
    matmul_run(&g, NULL, NULL);
}

static float *filled(size_t n)
{
    float *p = alloc_floats(n);
    for (size_t i = 0; i < n; i++) p[i] = (float)(i % 251) * 0.01F - 1.25F;
    return p;
}

static const char *products_work(int i)
{
    return works[i].name;
}

static int products_run(int i, int repeats, struct err *e)
{
    (void)e;
    const int rows = works[i].rows;
    pool_start(steps_threads());
    float *buffer[LAYERS][N_SHAPES][BUFFERS];
    double gflop = 0, total = 0;
    for (int l = 0; l < LAYERS; l++)
        for (int s = 0; s < N_SHAPES; s++) {
            size_t in = (size_t)shapes[s].in, out = (size_t)shapes[s].out, n = (size_t)rows;
            size_t sizes[BUFFERS] = {n * in, n * out, n * out, n * in, in * out, in * out};
            for (int b = 0; b < BUFFERS; b++) buffer[l][s][b] = filled(sizes[b]);
            gflop += 2e-9 * (double)(n * in * out);
        }
    float *panels = filled((size_t)(rows > WIDE ? rows : WIDE) * WIDE);
    for (int p = 0; p < N_PRODUCTS; p++) {
        double best = 0;
        for (int r = 0; r <= 3 * repeats; r++) {
            double start = steps_clock();
            for (int k = 0; k < LAYERS * N_SHAPES; k++)
                run_product(&products[p], rows, &shapes[k % N_SHAPES], buffer[k / N_SHAPES][k % N_SHAPES],
                            panels);
            double took = steps_clock() - start;
            if (r == 1 || (r > 1 && took < best)) best = took; /* the first warms the memory */
        }
        total += best;
        steps_tell(&(struct steps_row){products[p].name, gflop / best, "GFLOP/s", gflop / best, 0});
    }
    steps_tell(&(struct steps_row){"all products", N_PRODUCTS * gflop / total, "GFLOP/s",
                                   N_PRODUCTS * gflop / total, 0});
    steps_tell(&(struct steps_row){"peak memory", steps_peak_mb(), "MB", 0, 0});
    for (int k = 0; k < LAYERS * N_SHAPES; k++)
        for (int b = 0; b < BUFFERS; b++) free(buffer[k / N_SHAPES][k % N_SHAPES][b]);
    free(panels);
    pool_stop();
    return 0;
}

const struct steps steps_products = {
    .name = "products",
    .help = "the matrix products of a layer in training",
    .n_works = sizeof works / sizeof *works,
    .work = products_work,
    .run = products_run,
};
