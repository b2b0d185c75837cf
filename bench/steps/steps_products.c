/* steps_products.c: the matrix products of a layer of SmolLM2-135M in training, as op/ makes them.
 *
 * A work goes over the seven weights of some layers: y = x W^T; dx = dy W; dW += dy^T x. Packing the second
 * factor is part of each, as it is in a step, where a weight has changed since it was packed last. The layers
 * lie apart, so that the caches are no warmer than in a step.
 */
#include "steps.h"

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

static void forward(int rows, const struct shape *s, float *const *of, float *panels)
{
    matmul_pack_rows(panels, of[W], s->in, s->out, s->in);
    matmul_run(&(struct kern_gemm){.m = rows,
                                   .n = s->out,
                                   .k = s->in,
                                   .a = of[X],
                                   .a_row = s->in,
                                   .a_col = 1,
                                   .panels = panels,
                                   .c = of[Y],
                                   .c_row = s->out},
               NULL, NULL);
}

static void gradient_of_inputs(int rows, const struct shape *s, float *const *of, float *panels)
{
    matmul_pack_cols(panels, of[W], s->in, s->in, s->out);
    matmul_run(&(struct kern_gemm){.m = rows,
                                   .n = s->in,
                                   .k = s->out,
                                   .a = of[DY],
                                   .a_row = s->out,
                                   .a_col = 1,
                                   .panels = panels,
                                   .c = of[DX],
                                   .c_row = s->in},
               NULL, NULL);
}

static void gradient_of_weights(int rows, const struct shape *s, float *const *of, float *panels)
{
    matmul_pack_cols(panels, of[X], s->in, s->in, rows);
    matmul_run(&(struct kern_gemm){.m = s->out,
                                   .n = s->in,
                                   .k = rows,
                                   .a = of[DY],
                                   .a_row = 1,
                                   .a_col = s->out,
                                   .panels = panels,
                                   .c = of[DW],
                                   .c_row = s->in,
                                   .accumulate = true},
               NULL, NULL);
}

static const struct product {
    const char *name;
    void (*run)(int rows, const struct shape *s, float *const *of, float *panels);
} products[] = {{"forward", forward},
                {"gradient of inputs", gradient_of_inputs},
                {"gradient of weights", gradient_of_weights}};
enum { N_PRODUCTS = sizeof products / sizeof *products };

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
                products[p].run(rows, &shapes[k % N_SHAPES], buffer[k / N_SHAPES][k % N_SHAPES], panels);
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
