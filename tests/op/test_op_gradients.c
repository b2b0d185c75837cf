/* Every op of the registry: its gradient is that of central differences, on all its cases; and results and
 * gradients have the same bits on any number of threads and with any kernel table that this CPU can run. */
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

enum { STEP_MEMORY = 1 << 26, VALUES_MAX = 1 << 22 };

static size_t tensor_floats(const struct tensor *x)
{
    return (size_t)x->rows * (size_t)x->cols;
}

/* Fixed weights c of the loss sum(c y). */
static void loss_weights(float *c, size_t n)
{
    rng_normal(&(struct rng_at){.seed = 5, .purpose = RNG_TEST, .sequence = 1000}, c, n, 0, 1);
}

static double case_loss(struct tape *t, const struct op *op, int c, struct op_probe *p)
{
    tape_start(t, false);
    op_case_probe(t, p);
    struct tensor *y = op->build_case(t, c);
    size_t n = tensor_floats(y);
    float *w = alloc_floats(n);
    loss_weights(w, n);
    const float *values = tape_data(t, y);
    double loss = 0;
    for (size_t i = 0; i < n; i++) loss += (double)w[i] * (double)values[i];
    free(w);
    return loss;
}

static const float *leaf_grad(const struct op_probe *p, int i)
{
    return p->leaves[i].tensor ? p->leaves[i].tensor->grad : p->leaves[i].weight->grad;
}

/* Run and go back; y, if not NULL, gets the result. */
static struct tensor *case_backward(struct tape *t, const struct op *op, int c, struct op_probe *p)
{
    tape_start(t, true);
    op_case_probe(t, p);
    struct tensor *y = op->build_case(t, c);
    loss_weights(tape_seed(t, y), tensor_floats(y));
    tape_backward(t);
    return y;
}

/* Largest difference between a leaf's gradient and central differences, relative to the leaf's root mean
 * square gradient. */
static double leaf_error(struct tape *t, const struct op *op, int c, struct op_probe *p, const float *grad)
{
    size_t n = p->leaves[p->leaf].count;
    double h = 0.01 * (double)p->leaves[p->leaf].scale, worst = 0, square = 0;
    for (size_t i = 0; i < n; i++) square += (double)grad[i] * (double)grad[i];
    for (size_t i = 0; i < n; i++) {
        p->at = i;
        p->delta = (float)h;
        double up = case_loss(t, op, c, p);
        p->delta = (float)-h;
        double down = case_loss(t, op, c, p);
        double error = fabs((up - down) / (2 * h) - (double)grad[i]);
        if (!(error <= worst)) worst = error;
    }
    return worst / sqrt(square / (double)n);
}

static void gradient_of_every_op_is_that_of_central_differences(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, STEP_MEMORY);
    struct tape *t = tape_new(&arena);
    for (const struct op *const *op = op_all(); *op; op++) {
        assert_true((*op)->n_cases > 0);
        for (int c = 0; c < (*op)->n_cases; c++) {
            struct op_probe p = {.seed = 11, .leaf = -1};
            case_backward(t, *op, c, &p);
            int n = p.n;
            float *grads[OP_PROBE_MAX];
            for (int i = 0; i < n; i++) {
                size_t bytes = p.leaves[i].count * sizeof(float);
                grads[i] = alloc_or_die(bytes);
                assert_non_null(leaf_grad(&p, i));
                memcpy(grads[i], leaf_grad(&p, i), bytes);
            }
            for (int i = 0; i < n; i++) {
                p.leaf = i;
                double error = leaf_error(t, *op, c, &p, grads[i]);
                if (!(error < 3e-3))
                    fail_msg("%s case %d input %d: gradient off by %g", (*op)->name, c, i, error);
                free(grads[i]);
            }
        }
    }
    tape_free(t);
    arena_release(&arena);
}

/* Results and gradients of all cases, one after the other. */
static size_t all_values(float *out)
{
    struct arena arena;
    arena_init(&arena, STEP_MEMORY);
    struct tape *t = tape_new(&arena);
    size_t used = 0;
    for (const struct op *const *op = op_all(); *op; op++)
        for (int c = 0; c < (*op)->n_cases; c++) {
            struct op_probe p = {.seed = 3, .leaf = -1};
            struct tensor *y = case_backward(t, *op, c, &p);
            size_t n = tensor_floats(y);
            assert_true(used + n < VALUES_MAX);
            memcpy(out + used, tape_data(t, y), n * sizeof(float));
            used += n;
            for (int i = 0; i < p.n; i++) {
                assert_true(used + p.leaves[i].count < VALUES_MAX);
                memcpy(out + used, leaf_grad(&p, i), p.leaves[i].count * sizeof(float));
                used += p.leaves[i].count;
            }
        }
    tape_free(t);
    arena_release(&arena);
    return used;
}

static void bits_do_not_depend_on_threads_or_kernels(void **state)
{
    (void)state;
    float *want = alloc_floats(VALUES_MAX), *got = alloc_floats(VALUES_MAX);
    char msg[256];
    assert_int_equal(kern_choose("ref", msg, sizeof msg), 0);
    size_t n = all_values(want);
    assert_true(n > 1000);
    for (const struct kern *const *k = kern_tables(); *k; k++) {
        if (!(*k)->usable()) continue;
        assert_int_equal(kern_choose((*k)->name, msg, sizeof msg), 0);
        for (int threads = 1; threads <= 3; threads++) {
            pool_start(threads);
            assert_int_equal(all_values(got), n);
            pool_stop();
            for (size_t i = 0; i < n; i++)
                if (memcmp(&want[i], &got[i], sizeof want[i]))
                    fail_msg("%s, %d threads: value %zu is %a, not %a", (*k)->name, threads, i,
                             (double)got[i], (double)want[i]);
        }
    }
    assert_int_equal(kern_choose(NULL, msg, sizeof msg), 0);
    free(want);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_of_every_op_is_that_of_central_differences),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
