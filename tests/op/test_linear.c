/* Linear layers: the value of every element is a function of its row and of the weight alone, defined by
 * kern.h's order of addition; threads, tiles, panels and the batch around it do not show. */
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

struct shape {
    int rows, in, out;
};
static const struct shape shapes[] = {{1, 1, 1},     {1, 600, 700},  {3, 257, 40},
                                      {600, 33, 65}, {530, 300, 17}, {130, 512, 529}};

static void draws(float *to, uint32_t what, size_t n)
{
    rng_normal(&(struct rng_at){.seed = 33, .purpose = RNG_TEST, .step = what}, to, n, 0, 1);
}

static struct weight weight_make(uint32_t what, int rows, int cols)
{
    size_t n = (size_t)rows * (size_t)cols;
    struct weight w = {.name = "w", .rows = rows, .cols = cols};
    w.data = alloc_floats(n);
    w.grad = alloc_floats(n);
    draws(w.data, what, n);
    draws(w.grad, what + 100, n); /* gradients are added to */
    return w;
}

static void weight_drop(struct weight *w)
{
    weight_unpack(w);
    free(w->data);
    free(w->grad);
}

/* sum_k a[k*a_step] b[k*b_step] in blocks; start NULL: the first block is stored. */
static float sum_in_blocks(const float *a, int a_step, const float *b, int b_step, int n, const float *start)
{
    float total = start ? *start : 0;
    for (int from = 0; from < n; from += KERN_K_BLOCK) {
        float acc = 0;
        for (int k = from; k < n && k < from + KERN_K_BLOCK; k++)
            acc = fmaf(a[(size_t)k * (size_t)a_step], b[(size_t)k * (size_t)b_step], acc);
        total = from || start ? total + acc : acc;
    }
    return total;
}

static void assert_bits(const char *what, const struct shape *s, int i, float want, float got)
{
    if (memcmp(&want, &got, sizeof want))
        fail_msg("%s of %dx%dx%d, element %d: %a, expected %a", what, s->rows, s->in, s->out, i, (double)got,
                 (double)want);
}

static void check_shape(struct tape *t, const struct shape *s, bool packed)
{
    struct weight w = weight_make(1, s->out, s->in), bias = weight_make(2, 1, s->out);
    float *start = alloc_floats((size_t)s->out * (size_t)s->in), *ones = alloc_floats((size_t)s->rows);
    memcpy(start, w.grad, (size_t)s->out * (size_t)s->in * sizeof(float));
    float *bias_start = alloc_floats((size_t)s->out);
    memcpy(bias_start, bias.grad, (size_t)s->out * sizeof(float));
    for (int i = 0; i < s->rows; i++) ones[i] = 1;
    if (packed) weight_pack(&w);
    tape_start(t, true);
    struct tensor *x = tape_tensor(t, s->rows, s->in);
    x->wants_grad = true;
    draws(x->data, 3, (size_t)s->rows * (size_t)s->in);
    struct tensor *y = op_linear_run(t, x, &w, &bias);
    for (int i = 0; i < s->rows * s->out; i++) {
        int r = i / s->out, o = i % s->out;
        float want = sum_in_blocks(x->data + r * s->in, 1, w.data + o * s->in, 1, s->in, NULL) + bias.data[o];
        assert_bits("y", s, i, want, y->data[i]);
    }
    float *dy = alloc_floats((size_t)s->rows * (size_t)s->out);
    draws(dy, 4, (size_t)s->rows * (size_t)s->out);
    memcpy(tape_seed(t, y), dy, (size_t)s->rows * (size_t)s->out * sizeof(float));
    tape_backward(t);
    for (int i = 0; i < s->rows * s->in; i++) {
        int r = i / s->in, c = i % s->in;
        assert_bits("dx", s, i, sum_in_blocks(dy + r * s->out, 1, w.data + c, s->in, s->out, NULL),
                    x->grad[i]);
    }
    for (int i = 0; i < s->out * s->in; i++) {
        int o = i / s->in, c = i % s->in;
        float want = sum_in_blocks(dy + o, s->out, x->data + c, s->in, s->rows, &start[i]);
        assert_bits("dW", s, i, want, w.grad[i]);
    }
    for (int o = 0; o < s->out; o++)
        assert_bits("db", s, o, sum_in_blocks(dy + o, s->out, ones, 1, s->rows, &bias_start[o]),
                    bias.grad[o]);
    weight_drop(&w);
    weight_drop(&bias);
    free(start);
    free(bias_start);
    free(ones);
    free(dy);
}

static void every_element_is_the_sum_in_blocks_that_kern_defines(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    for (int threads = 1; threads <= 3; threads++) {
        pool_start(threads);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_shape(t, &shapes[i], threads == 2);
        pool_stop();
    }
    tape_free(t);
    arena_release(&arena);
}

static void stale_panels_are_not_used(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    struct weight w = weight_make(1, 20, 30);
    weight_pack(&w);
    assert_true(w.panels_fresh);
    for (int i = 0; i < 600; i++) w.data[i] = 0;
    w.panels_fresh = false;
    for (int again = 0; again < 2; again++) {
        tape_start(t, false);
        struct tensor *x = tape_tensor(t, 2, 30);
        draws(x->data, 3, 60);
        struct tensor *y = op_linear_run(t, x, &w, NULL);
        for (int i = 0; i < 40; i++) assert_true(y->data[i] == 0);
        weight_pack(&w);
    }
    weight_drop(&w);
    tape_free(t);
    arena_release(&arena);
}

/* Of different widths, one with a bias, and of each kind: with panels that are there, and without. */
static void several_of_one_x_are_the_same_as_one_by_one(void **state)
{
    (void)state;
    enum { N = 3, IN = 300 };
    static const int rows[] = {1, 7, 40}, out[N] = {576, 193, 31};
    struct arena arena;
    struct weight w[N], bias = weight_make(9, 1, out[1]);
    struct linear_of of[N];
    for (int i = 0; i < N; i++) {
        w[i] = weight_make((uint32_t)i, out[i], IN);
        if (i < 2) weight_pack(&w[i]);
        of[i] = (struct linear_of){&w[i], i == 1 ? &bias : NULL};
    }
    arena_init(&arena, SIZE_MAX);
    struct tape *t = tape_new(&arena);
    pool_start(3);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        tape_start(t, true);
        struct tensor *x = tape_tensor(t, rows[k], IN), *y[N];
        draws(x->data, 3, (size_t)rows[k] * IN);
        op_linears_run(t, x, of, N, NULL, y);
        for (int i = 0; i < N; i++) {
            const struct tensor *one = op_linear_run(t, x, of[i].w, of[i].bias);
            assert_memory_equal(y[i]->data, one->data, (size_t)rows[k] * (size_t)out[i] * sizeof(float));
        }
    }
    pool_stop();
    for (int i = 0; i < N; i++) weight_drop(&w[i]);
    weight_drop(&bias);
    tape_free(t);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_is_the_sum_in_blocks_that_kern_defines),
        cmocka_unit_test(stale_panels_are_not_used),
        cmocka_unit_test(several_of_one_x_are_the_same_as_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
