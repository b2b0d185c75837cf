/* The output head against double precision, and the rules that make its bits a matter of the rows alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "op/op.h"

/* More rows than one contraction block, more vocabulary than one piece of backward (4096). */
enum { N = 300, D = 24, V = 5000 };

struct world {
    struct arena arena;
    struct tape *t;
    struct weight w;
    struct tensor *x;
    int rows[N], targets[N];
    float dlogp[N], dentropy[N];
};

static void draws(float *to, uint32_t what, size_t n, float std)
{
    rng_normal(&(struct rng_at){.seed = 21, .purpose = RNG_TEST, .step = what}, to, n, 0, std);
}

static void world_make(struct world *w)
{
    arena_init(&w->arena, SIZE_MAX);
    w->t = tape_new(&w->arena);
    w->w = (struct weight){.name = "head", .rows = V, .cols = D};
    w->w.data = alloc_floats((size_t)V * D);
    w->w.grad = alloc_floats((size_t)V * D);
    draws(w->w.data, 1, (size_t)V * D, 0.3F);
    for (int i = 0; i < N; i++) {
        w->rows[i] = (i * 7) % N;
        w->targets[i] = (int)rng_below(&(struct rng_at){.purpose = RNG_TEST, .position = (uint32_t)i}, V);
    }
    draws(w->dlogp, 2, N, 1);
    draws(w->dentropy, 3, N, 0.1F);
}

static void world_release(struct world *w)
{
    tape_free(w->t);
    arena_release(&w->arena);
    weight_unpack(&w->w);
    free(w->w.data);
    free(w->w.grad);
}

/* Rows from..from+n-1 of the selection, forward. */
static struct head_out forward(struct world *w, int from, int n, float temperature, bool record)
{
    tape_start(w->t, record);
    w->x = tape_tensor(w->t, N, D);
    w->x->wants_grad = true;
    draws(w->x->data, 4, (size_t)N * D, 1);
    struct head_rows r = {.n = n, .rows = w->rows + from, .targets = w->targets + from};
    r.temperature = temperature;
    return op_head_run(w->t, w->x, &w->w, &r);
}

static void backward(struct world *w, const struct head_out *out)
{
    memset(w->w.grad, 0, (size_t)V * D * sizeof(float));
    memcpy(tape_seed(w->t, out->logp), w->dlogp, (size_t)out->logp->rows * sizeof(float));
    memcpy(tape_seed(w->t, out->entropy), w->dentropy, (size_t)out->logp->rows * sizeof(float));
    tape_backward(w->t);
}

static double max_of(double a, double b)
{
    return a >= b ? a : b;
}

static void values_and_gradients_are_those_of_double_precision(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    const double inv_t = 1 / 0.7F;
    struct head_out out = forward(w, 0, N, 0.7F, true);
    assert_int_equal(out.bad_row, -1);
    float *x = alloc_floats((size_t)N * D), logp[N], entropy[N];
    int argmax[N];
    memcpy(x, w->x->data, (size_t)N * D * sizeof(float));
    memcpy(logp, out.logp->data, sizeof logp);
    memcpy(entropy, out.entropy->data, sizeof entropy);
    memcpy(argmax, out.argmax, sizeof argmax);
    backward(w, &out);
    double *dw = alloc_zero((size_t)V * D, sizeof *dw), y[V], worst = 0, worst_dx = 0, worst_dw = 0;
    for (int i = 0; i < N; i++) {
        const float *xi = x + (size_t)w->rows[i] * D;
        double sum = 0, h = 0, dx[D] = {0};
        int best = 0;
        for (int v = 0; v < V; v++) {
            y[v] = 0;
            for (int d = 0; d < D; d++) y[v] += (double)xi[d] * (double)w->w.data[v * D + d];
            y[v] *= inv_t;
            sum += exp(y[v]);
            if (y[v] > y[best]) best = v;
        }
        double lse = log(sum);
        for (int v = 0; v < V; v++) h -= exp(y[v] - lse) * (y[v] - lse);
        assert_int_equal(argmax[i], best);
        worst = max_of(worst, fabs(y[w->targets[i]] - lse - (double)logp[i]));
        worst = max_of(worst, fabs(h - (double)entropy[i]));
        for (int v = 0; v < V; v++) {
            double p = exp(y[v] - lse);
            double dz = (double)w->dlogp[i] * ((v == w->targets[i]) - p);
            dz = inv_t * (dz - (double)w->dentropy[i] * p * (y[v] - lse + h));
            for (int d = 0; d < D; d++) {
                dx[d] += dz * (double)w->w.data[v * D + d];
                dw[v * D + d] += dz * (double)xi[d];
            }
        }
        for (int d = 0; d < D; d++)
            worst_dx = max_of(worst_dx, fabs(dx[d] - (double)w->x->grad[(size_t)w->rows[i] * D + (size_t)d]));
    }
    for (int i = 0; i < V * D; i++) worst_dw = max_of(worst_dw, fabs(dw[i] - (double)w->w.grad[i]));
    if (!(worst < 1e-5 && worst_dx < 1e-5 && worst_dw < 1e-5))
        fail_msg("errors %g, dx %g, dW %g", worst, worst_dx, worst_dw);
    free(dw);
    free(x);
    world_release(w);
    free(w);
}

static void a_row_does_not_depend_on_the_others(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    struct head_out out = forward(w, 0, N, 1, false);
    float logp[N], entropy[N];
    memcpy(logp, out.logp->data, sizeof logp);
    memcpy(entropy, out.entropy->data, sizeof entropy);
    for (int packed = 0; packed < 2; packed++) {
        if (packed) weight_pack(&w->w);
        for (int from = 0, n = 1; from + n <= N; from += n, n = n * 3 / 2 + 1) {
            out = forward(w, from, n, 1, false);
            assert_memory_equal(out.logp->data, logp + from, (size_t)n * sizeof(float));
            assert_memory_equal(out.entropy->data, entropy + from, (size_t)n * sizeof(float));
        }
    }
    world_release(w);
    free(w);
}

/* The same gradients, to the bit, whether rows without one are selected or not. */
static void rows_without_gradient_are_as_if_not_selected(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    for (int i = 0; i < N; i++)
        if (i % 3 == 0) w->dlogp[i] = w->dentropy[i] = 0;
    struct head_out out = forward(w, 0, N, 1, true);
    backward(w, &out);
    float *dx = alloc_floats((size_t)N * D), *dw = alloc_floats((size_t)V * D);
    memcpy(dx, w->x->grad, (size_t)N * D * sizeof(float));
    memcpy(dw, w->w.grad, (size_t)V * D * sizeof(float));
    int n = 0;
    for (int i = 0; i < N; i++) {
        if (i % 3 == 0) continue;
        w->rows[n] = w->rows[i];
        w->targets[n] = w->targets[i];
        w->dlogp[n] = w->dlogp[i];
        w->dentropy[n++] = w->dentropy[i];
    }
    assert_true(n > 100 && n < N);
    out = forward(w, 0, n, 1, true);
    backward(w, &out);
    assert_memory_equal(dx, w->x->grad, (size_t)N * D * sizeof(float));
    assert_memory_equal(dw, w->w.grad, (size_t)V * D * sizeof(float));
    /* And none at all: zero, not unset. */
    memset(w->dlogp, 0, sizeof w->dlogp);
    memset(w->dentropy, 0, sizeof w->dentropy);
    out = forward(w, 0, n, 1, true);
    backward(w, &out);
    for (int i = 0; i < N * D; i++) assert_true(w->x->grad[i] == 0);
    for (int i = 0; i < V * D; i++) assert_true(w->w.grad[i] == 0);
    free(dx);
    free(dw);
    world_release(w);
    free(w);
}

/* Of the selection under x's order; a cap, sets and the mean are asked for by case. */
static void run_case(struct world *w, int c, const struct head_known *known)
{
    static const int all[] = {0, 17, 1023, 1024, 4999};
    static struct head_set sets[N];
    static int own[N][6];
    w->w.cap = c == 1 || c == 3 ? 2 : 0;
    tape_start(w->t, true);
    w->x = tape_tensor(w->t, N, D);
    w->x->wants_grad = c != 4;
    draws(w->x->data, 4, (size_t)N * D, 1);
    memset(w->w.grad, 0, (size_t)V * D * sizeof(float));
    for (int i = 0; i < N; i++) {
        int n = 0, target = w->targets[i];
        for (int k = 0; k < 5; k++) {
            if (target < all[k] && (k == 0 || target > all[k - 1])) own[i][n++] = target;
            own[i][n++] = all[k];
        }
        sets[i] = (struct head_set){own[i], i % 5 ? n : 0};
    }
    struct head_rows r = {
        .n = N, .rows = w->rows, .targets = w->targets, .temperature = 0.8F, .known = known};
    r.mean = c == 2;
    r.sets = c == 3 ? sets : NULL;
    struct head_out out = op_head_run(w->t, w->x, &w->w, &r);
    assert_int_equal(out.bad_row, -1);
    if (!known) {
        memcpy(tape_seed(w->t, out.logp), w->dlogp, sizeof w->dlogp);
        memcpy(tape_seed(w->t, out.entropy), w->dentropy, sizeof w->dentropy);
        if (out.mean_logp) memcpy(tape_seed(w->t, out.mean_logp), w->dentropy, sizeof w->dentropy);
        tape_backward(w->t);
    }
}

static void known_derivatives_give_the_same_bits_in_one_pass(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    float *dx = alloc_floats((size_t)N * D), *dw = alloc_floats((size_t)V * D);
    w->rows[9] = w->rows[4];
    w->targets[5] = 0;
    w->targets[6] = V - 1;
    for (int i = 0; i < N; i++)
        if (i % 11 == 0) w->dlogp[i] = w->dentropy[i] = 0;
    for (int c = 0; c < 5; c++) {
        const struct head_known known = {w->dlogp, w->dentropy, c == 2 ? w->dentropy : NULL};
        run_case(w, c, NULL);
        bool has_dx = w->x->wants_grad;
        if (has_dx) memcpy(dx, w->x->grad, (size_t)N * D * sizeof(float));
        memcpy(dw, w->w.grad, (size_t)V * D * sizeof(float));
        pool_start(2);
        run_case(w, c, &known);
        pool_stop();
        if (has_dx) assert_memory_equal(dx, w->x->grad, (size_t)N * D * sizeof(float));
        assert_memory_equal(dw, w->w.grad, (size_t)V * D * sizeof(float));
    }
    free(dx);
    free(dw);
    world_release(w);
    free(w);
}

static void bits_do_not_depend_on_threads_or_kernels(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    char msg[256];
    float *dx = NULL, *dw = NULL, logp[N];
    for (const struct kern *const *k = kern_tables(); *k; k++) {
        if (!(*k)->usable()) continue;
        assert_int_equal(kern_choose((*k)->name, msg, sizeof msg), 0);
        for (int threads = 1; threads <= 3; threads++) {
            pool_start(threads);
            struct head_out out = forward(w, 0, N, 0.9F, true);
            backward(w, &out);
            pool_stop();
            if (!dx) {
                dx = alloc_floats((size_t)N * D);
                dw = alloc_floats((size_t)V * D);
                memcpy(dx, w->x->grad, (size_t)N * D * sizeof(float));
                memcpy(dw, w->w.grad, (size_t)V * D * sizeof(float));
                memcpy(logp, out.logp->data, sizeof logp);
            }
            assert_memory_equal(logp, out.logp->data, sizeof logp);
            assert_memory_equal(dx, w->x->grad, (size_t)N * D * sizeof(float));
            assert_memory_equal(dw, w->w.grad, (size_t)V * D * sizeof(float));
        }
    }
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
    free(dx);
    free(dw);
    world_release(w);
    free(w);
}

/* sum_k a[k*a_step] b[k*b_step] in blocks of KERN_K_BLOCK. */
static float sum_in_blocks(const float *a, int a_step, const float *b, int b_step, int n)
{
    float total = 0;
    for (int from = 0; from < n; from += KERN_K_BLOCK) {
        float acc = 0;
        for (int k = from; k < n && k < from + KERN_K_BLOCK; k++)
            acc = fmaf(a[(size_t)k * (size_t)a_step], b[(size_t)k * (size_t)b_step], acc);
        total += acc;
    }
    return total;
}

/* dx is summed over blocks of the vocabulary and dW over blocks of selected rows, whatever the pieces are. */
static void gradients_are_the_sums_in_blocks_that_kern_defines(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    struct head_out out = forward(w, 0, N, 1, true);
    float *dz = alloc_floats((size_t)N * V), *xs = alloc_floats((size_t)N * D);
    op_logits_run(w->t, w->x, &w->w, w->rows, N, dz);
    for (int i = 0; i < N; i++) {
        float *z = dz + (size_t)i * V;
        struct kern_logits l = {.z = z, .n = V, .inv_t = 1};
        kern()->logits(&l);
        kern()->logits_back(z, &l, w->targets[i], w->dlogp[i], w->dentropy[i]);
        memcpy(xs + (size_t)i * D, w->x->data + (size_t)w->rows[i] * D, D * sizeof(float));
    }
    backward(w, &out);
    for (int i = 0; i < N * D; i++) {
        float want = sum_in_blocks(dz + (size_t)(i / D) * V, 1, w->w.data + i % D, D, V);
        float got = w->x->grad[(size_t)w->rows[i / D] * D + (size_t)(i % D)];
        if (memcmp(&want, &got, sizeof want))
            fail_msg("dx %d: %a, expected %a", i, (double)got, (double)want);
    }
    for (int i = 0; i < V * D; i++) {
        float want = sum_in_blocks(dz + i / D, V, xs + i % D, D, N);
        if (memcmp(&want, &w->w.grad[i], sizeof want))
            fail_msg("dW %d: %a, expected %a", i, (double)w->w.grad[i], (double)want);
    }
    free(dz);
    free(xs);
    world_release(w);
    free(w);
}

/* The matrix is also the embedding: both uses add to one gradient. */
static void tied_weight_collects_both_gradients(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    struct weight other = w->w;
    other.grad = alloc_floats((size_t)V * D);
    float *want = alloc_floats((size_t)V * D);
    for (int tied = 0; tied < 2; tied++) {
        memset(w->w.grad, 0, (size_t)V * D * sizeof(float));
        tape_start(w->t, true);
        struct tensor *x = op_embed_run(w->t, &w->w, w->targets, N);
        struct head_rows r = {.n = N, .rows = w->rows, .targets = w->targets, .temperature = 1};
        struct head_out out = op_head_run(w->t, x, tied ? &w->w : &other, &r);
        memcpy(tape_seed(w->t, out.logp), w->dlogp, sizeof w->dlogp);
        tape_backward(w->t);
        for (int i = 0; i < V * D && !tied; i++) want[i] = w->w.grad[i] + other.grad[i];
    }
    double worst = 0;
    for (int i = 0; i < V * D; i++) worst = max_of(worst, fabs((double)want[i] - (double)w->w.grad[i]));
    if (!(worst < 1e-5)) fail_msg("largest error %g", worst);
    free(other.grad);
    free(want);
    world_release(w);
    free(w);
}

static void first_row_with_bad_logits_is_named(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    const float bad[] = {NAN, INFINITY};
    for (int c = 0; c < 2; c++) {
        tape_start(w->t, false);
        w->x = tape_tensor(w->t, N, D);
        draws(w->x->data, 4, (size_t)N * D, 1);
        w->x->data[(size_t)w->rows[270] * D + 3] = bad[c];
        w->x->data[(size_t)w->rows[41] * D + 3] = bad[c];
        struct head_rows r = {.n = N, .rows = w->rows, .targets = w->targets, .temperature = 1};
        assert_int_equal(op_head_run(w->t, w->x, &w->w, &r).bad_row, 41);
    }
    world_release(w);
    free(w);
}

static void plain_logits_are_the_ones_the_head_uses(void **state)
{
    (void)state;
    struct world *w = alloc_zero(1, sizeof *w);
    world_make(w);
    struct head_out out = forward(w, 10, 5, 1, false);
    float *z = alloc_floats((size_t)5 * V);
    op_logits_run(w->t, w->x, &w->w, w->rows + 10, 5, z);
    for (int i = 0; i < 5; i++) {
        struct kern_logits l = {.z = z + (size_t)i * V, .n = V, .inv_t = 1};
        kern()->logits(&l);
        float logp = z[(size_t)i * V + (size_t)w->targets[10 + i]] - l.lse;
        assert_memory_equal(&logp, &out.logp->data[i], sizeof logp);
        assert_int_equal(l.argmax, out.argmax[i]);
    }
    free(z);
    world_release(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_gradients_are_those_of_double_precision),
        cmocka_unit_test(a_row_does_not_depend_on_the_others),
        cmocka_unit_test(rows_without_gradient_are_as_if_not_selected),
        cmocka_unit_test(known_derivatives_give_the_same_bits_in_one_pass),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_kernels),
        cmocka_unit_test(gradients_are_the_sums_in_blocks_that_kern_defines),
        cmocka_unit_test(tied_weight_collects_both_gradients),
        cmocka_unit_test(first_row_with_bad_logits_is_named),
        cmocka_unit_test(plain_logits_are_the_ones_the_head_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
