/* The plain ops against their formulas in double precision: which row, which position, which head. */
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
#include "op/op.h"

static struct arena arena;
static struct tape *tape;

static struct tensor *input(uint32_t what, int rows, int cols)
{
    struct tensor *x = tape_tensor(tape, rows, cols);
    rng_normal(&(struct rng_at){.seed = 41, .purpose = RNG_TEST, .step = what}, x->data,
               (size_t)rows * (size_t)cols, 0, 1);
    return x;
}

static void assert_near(double want, float got, double tolerance)
{
    if (!(fabs(want - (double)got) <= tolerance * (1 + fabs(want))))
        fail_msg("%.9g, expected %.9g", (double)got, want);
}

static int start(void **state)
{
    (void)state;
    arena_init(&arena, SIZE_MAX);
    tape = tape_new(&arena);
    tape_start(tape, false);
    pool_start(2);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pool_stop();
    tape_free(tape);
    arena_release(&arena);
    return 0;
}

static void embedding_takes_the_row_of_each_token(void **state)
{
    (void)state;
    enum { N = 5000, V = 50, D = 40 };
    struct tensor *data = input(1, V, D);
    struct weight table = {.name = "table", .rows = V, .cols = D, .data = data->data};
    int *ids = alloc_zero(N, sizeof *ids);
    for (int i = 0; i < N; i++) ids[i] = i * 31 % V;
    struct tensor *y = op_embed_run(tape, &table, ids, N);
    assert_int_equal(y->rows, N);
    assert_int_equal(y->cols, D);
    for (int i = 0; i < N * D; i++) assert_true(y->data[i] == data->data[ids[i / D] * D + i % D]);
    free(ids);
}

static void rmsnorm_is_over_the_width_of_its_weight(void **state)
{
    (void)state;
    enum { N = 700, HEADS = 3, D = 50 };
    struct tensor *x = input(2, N, HEADS * D), *w = input(3, 1, D);
    struct weight weight = {.name = "norm", .rows = 1, .cols = D, .data = w->data};
    struct tensor *y = op_rmsnorm_run(tape, x, &weight, 0.5F);
    for (int r = 0; r < N * HEADS; r++) {
        double sum = 0;
        for (int i = 0; i < D; i++) sum += (double)x->data[r * D + i] * (double)x->data[r * D + i];
        for (int i = 0; i < D; i++)
            assert_near((double)x->data[r * D + i] * (double)w->data[i] / sqrt(sum / D + 0.5),
                        y->data[r * D + i], 1e-6);
    }
}

static void add_and_swiglu_are_element_by_element(void **state)
{
    (void)state;
    enum { N = 333, D = 101 };
    struct tensor *a = input(4, N, D), *b = input(5, N, D);
    struct tensor *sum = op_add_run(tape, a, input(5, N, D)), *gated = op_swiglu_run(tape, a, b);
    const float *silu = tape_data(tape, gated);
    for (int i = 0; i < N * D; i++) {
        double g = (double)a->data[i], u = (double)b->data[i];
        assert_true(sum->data[i] == a->data[i] + b->data[i]);
        assert_near(g / (1 + exp(-g)) * u, silu[i], 1e-6);
    }
}

/* A tree of spans; sequences far apart, as in decoding (a table by row); and one far from 0. */
static void rope_turns_each_row_by_its_position(void **state)
{
    (void)state;
    enum { HD = 10, HEADS = 3 };
    static const int blocks[1] = {0};
    static const struct span tree[] = {{0, 30, 0, -1, NULL}, {30, 2, 30, 0, NULL}, {32, 200, 30, 0, NULL}};
    static const struct span apart[] = {
        {0, 1, 5, -1, blocks}, {1, 1, 900, -1, blocks}, {2, 2, 77, -1, blocks}};
    static const struct span late[] = {{0, 40, 3000, -1, blocks}};
    const struct batch batches[] = {{.n_rows = 232, .n_spans = 3, .spans = tree},
                                    {.n_rows = 4, .n_spans = 3, .spans = apart},
                                    {.n_rows = 40, .n_spans = 1, .spans = late}};
    double inv_freq[HD / 2];
    for (int i = 0; i < HD / 2; i++) inv_freq[i] = (double)(float)pow(500, -2.0 * i / HD);
    for (int c = 0; c < 3; c++) {
        const struct batch *b = &batches[c];
        struct rope rope = {.hd = HD, .inv_freq = inv_freq, .attn_factor = c == 1 ? 1.2F : 1};
        struct tensor *x = input(6, b->n_rows, HD * HEADS);
        struct tensor *y = op_rope_run(tape, input(6, b->n_rows, HD * HEADS), b, &rope);
        for (int s = 0; s < b->n_spans; s++)
            for (int r = 0; r < b->spans[s].len; r++)
                for (int h = 0; h < HEADS; h++)
                    for (int i = 0; i < HD / 2; i++) {
                        int at = ((b->spans[s].row + r) * HEADS + h) * HD + i;
                        double a = (double)((float)(b->spans[s].first_pos + r) * (float)inv_freq[i]);
                        double c1 = cos(a) * (double)rope.attn_factor, s1 = sin(a) * (double)rope.attn_factor;
                        double p = (double)x->data[at], q = (double)x->data[at + HD / 2];
                        assert_near(p * c1 - q * s1, y->data[at], 1e-6);
                        assert_near(q * c1 + p * s1, y->data[at + HD / 2], 1e-6);
                    }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(embedding_takes_the_row_of_each_token, start, stop),
        cmocka_unit_test_setup_teardown(rmsnorm_is_over_the_width_of_its_weight, start, stop),
        cmocka_unit_test_setup_teardown(add_and_swiglu_are_element_by_element, start, stop),
        cmocka_unit_test_setup_teardown(rope_turns_each_row_by_its_position, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
