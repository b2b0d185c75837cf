/* Adapters with a magnitude (DoRA) and dropout: the product and all its gradients against the formula of PEFT
 * in double precision, with the choice of dropout read off an adapter that shows it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "base/rng.h"
#include "op/op.h"

enum { ROWS = 6, IN = 7, OUT = 5, RANK = 2 };
static const double scale = 0.75;

static void draws(float *to, uint32_t what, size_t n)
{
    rng_normal(&(struct rng_at){.seed = 5, .purpose = RNG_TEST, .step = what}, to, n, 0, 1);
}

static struct weight weight_make(uint32_t what, int rows, int cols, bool learns)
{
    size_t n = (size_t)rows * (size_t)cols;
    struct weight w = {.name = "w", .rows = rows, .cols = cols, .data = alloc_floats(n)};
    if (learns) w.grad = alloc_floats(n);
    if (what) draws(w.data, what, n);
    return w;
}

static void weight_drop(struct weight *w)
{
    weight_unpack(w);
    free(w->data);
    free(w->grad);
}

/* Two sequences side by side, with dropout. */
static struct batch batch_make(void)
{
    static const uint32_t sequences[] = {3, 8};
    static struct dropout drop;
    static struct span spans[] = {{0, 2, 0, -1, NULL}, {2, 4, 0, -1, NULL}};
    static int tokens[ROWS];
    drop = (struct dropout){{.seed = 2, .purpose = RNG_DROPOUT, .step = 4}, sequences};
    return (struct batch){.n_rows = ROWS, .tokens = tokens, .n_spans = 2, .spans = spans, .drop = &drop};
}

/* What dropout of 0.4 in module 9 multiplies each x by: an adapter of ones beside a matrix of zeros. */
static void read_mask(struct tape *t, const struct batch *b, double *mask)
{
    struct weight w = weight_make(0, IN, IN, false), a = weight_make(0, IN, IN, false);
    for (int c = 0; c < IN; c++) a.data[c * IN + c] = 1;
    struct weight ones = a;
    struct adapter shows = {.on = true, .a = &a, .b = &ones, .scale = 1, .dropout = 0.4F, .module = 9};
    w.adapter = &shows;
    tape_start(t, false);
    struct tensor *x = tape_tensor(t, ROWS, IN);
    for (int i = 0; i < ROWS * IN; i++) x->data[i] = 1;
    const struct tensor *y = op_linear_of_batch(t, x, &w, NULL, b);
    int zeros = 0;
    for (int i = 0; i < ROWS * IN; i++) {
        mask[i] = (double)y->data[i];
        zeros += mask[i] == 0;
        assert_true(mask[i] == 0 || fabs(mask[i] - 1 / 0.6) < 1e-6);
    }
    assert_in_range(zeros, 5, ROWS * IN - 15);
    weight_drop(&w);
    weight_drop(&a);
}

struct reference { /* by PEFT's formula: y = x W^T + b + (g - 1) x' W^T + g s (x' A^T) B^T, g held fixed */
    double y[ROWS * OUT], dx[ROWS * IN], da[RANK * IN], db[OUT * RANK], dm[OUT];
};

static void refer(struct reference *f, const struct weight *w, const struct weight *bias, const float *x,
                  const float *dy, const double *mask)
{
    const struct adapter *l = w->adapter;
    const float *a = l->a->data, *b = l->b->data;
    *f = (struct reference){0};
    for (int o = 0; o < OUT; o++) {
        double square = 0, u[RANK], v[IN];
        for (int c = 0; c < IN; c++) {
            v[c] = (double)w->data[o * IN + c];
            for (int j = 0; j < RANK; j++) v[c] += scale * (double)b[o * RANK + j] * (double)a[j * IN + c];
            square += v[c] * v[c];
        }
        double length = sqrt(square), g = (double)l->magnitude->data[o] / length;
        for (int r = 0; r < ROWS; r++) {
            double plain = 0, kept = 0, d = (double)dy[r * OUT + o];
            for (int j = 0; j < RANK; j++) u[j] = 0;
            for (int c = 0; c < IN; c++) {
                double at = (double)x[r * IN + c], m = mask[r * IN + c], weight = (double)w->data[o * IN + c];
                plain += at * weight;
                kept += at * m * weight;
                for (int j = 0; j < RANK; j++) u[j] += at * m * (double)a[j * IN + c];
            }
            double low = 0;
            for (int j = 0; j < RANK; j++) {
                low += scale * u[j] * (double)b[o * RANK + j];
                f->db[o * RANK + j] += d * g * scale * u[j];
                for (int c = 0; c < IN; c++)
                    f->da[j * IN + c] +=
                        d * g * scale * (double)b[o * RANK + j] * (double)x[r * IN + c] * mask[r * IN + c];
            }
            f->y[r * OUT + o] = plain + (double)bias->data[o] + (g - 1) * kept + g * low;
            f->dm[o] += d * (kept + low) / length;
            for (int c = 0; c < IN; c++)
                f->dx[r * IN + c] += d * ((double)w->data[o * IN + c] +
                                          mask[r * IN + c] * (g * v[c] - (double)w->data[o * IN + c]));
        }
    }
}

static void near(const char *what, const float *have, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs((double)have[i] - want[i]) < 1e-5))
            fail_msg("%s[%d] is %.9g, %.9g in double precision", what, i, (double)have[i], want[i]);
}

static void dora_with_dropout_is_pefts(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    struct batch batch = batch_make();
    double mask[ROWS * IN];
    float norms[OUT], dy[ROWS * OUT];
    struct reference want;
    pool_start(2);
    read_mask(t, &batch, mask);
    struct weight w = weight_make(1, OUT, IN, false), bias = weight_make(2, 1, OUT, true),
                  a = weight_make(3, RANK, IN, true), b = weight_make(4, OUT, RANK, true),
                  m = weight_make(5, 1, OUT, true);
    a.changes = 1; /* so that the lengths are worked out */
    struct adapter l = {.on = true,
                        .a = &a,
                        .b = &b,
                        .scale = (float)scale,
                        .dropout = 0.4F,
                        .module = 9,
                        .magnitude = &m,
                        .norms = norms};
    w.adapter = &l;
    tape_start(t, true);
    struct tensor *x = tape_tensor(t, ROWS, IN);
    x->wants_grad = true;
    draws(x->data, 6, ROWS * IN);
    draws(dy, 7, ROWS * OUT);
    struct tensor *y = op_linear_of_batch(t, x, &w, &bias, &batch);
    refer(&want, &w, &bias, x->data, dy, mask);
    near("y", y->data, want.y, ROWS * OUT);
    memcpy(tape_seed(t, y), dy, sizeof dy);
    tape_backward(t);
    near("dx", x->grad, want.dx, ROWS * IN);
    near("dA", a.grad, want.da, RANK * IN);
    near("dB", b.grad, want.db, OUT * RANK);
    near("dm", m.grad, want.dm, OUT);
    struct weight *const all[] = {&w, &bias, &a, &b, &m};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) weight_drop(all[i]);
    pool_stop();
    tape_free(t);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dora_with_dropout_is_pefts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
