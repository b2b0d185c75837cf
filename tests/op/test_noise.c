/* test_noise.c: noise on embeddings: within its width, spread evenly, and a function of the sequence, the
 * position, the column, the step and the seed alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "op/op.h"

enum { COLS = 37, ROWS = 60 };

struct one { /* a span of the batch */
    int len;
    uint32_t sequence;
    float width;
};

/* Noise alone, [rows, COLS]; free() it. */
static float *noise_of(const struct one *list, int n, uint32_t step)
{
    struct span spans[4];
    uint32_t sequences[4];
    float widths[4];
    struct noise noise = {{.seed = 5, .purpose = RNG_NOISE, .step = step}, sequences, widths};
    struct batch b = {.n_spans = n, .spans = spans, .noise = &noise};
    for (int i = 0; i < n; i++) {
        spans[i] = (struct span){.row = b.n_rows, .len = list[i].len, .parent = -1};
        sequences[i] = list[i].sequence;
        widths[i] = list[i].width;
        b.n_rows += list[i].len;
    }
    struct arena arena;
    arena_init(&arena, 1 << 24);
    struct tape *t = tape_new(&arena);
    tape_start(t, false);
    struct tensor *x = tape_tensor(t, b.n_rows, COLS);
    memset(x->data, 0, (size_t)b.n_rows * COLS * sizeof(float));
    const struct tensor *y = op_noise_run(t, x, &b);
    float *out = alloc_or_die((size_t)b.n_rows * COLS * sizeof *out);
    memcpy(out, y->data, (size_t)b.n_rows * COLS * sizeof *out);
    tape_free(t);
    arena_release(&arena);
    return out;
}

static void noise_is_uniform_within_its_width(void **state)
{
    (void)state;
    const struct one list[] = {{ROWS, 3, 0.5F}};
    float *y = noise_of(list, 1, 0);
    int n = ROWS * COLS, bins[10] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        assert_true(y[i] >= -0.5F && y[i] < 0.5F);
        bins[(int)floor(((double)y[i] + 0.5) * 10)]++;
        sum += (double)y[i];
        squares += (double)y[i] * (double)y[i];
    }
    assert_true(fabs(sum / n) < 0.02);
    assert_true(fabs(squares / n - 1.0 / 12) < 0.005);
    for (int i = 0; i < 10; i++) assert_true(bins[i] > n / 10 * 0.75 && bins[i] < n / 10 * 1.25);
    free(y);
}

static void noise_of_a_sequence_is_its_own(void **state)
{
    (void)state;
    const struct one alone[] = {{7, 9, 0.25F}}, among[] = {{5, 2, 1}, {7, 9, 0.25F}, {3, 9, 0.5F}};
    size_t bytes = (size_t)7 * COLS * sizeof(float);
    float *x = noise_of(alone, 1, 4), *y = noise_of(among, 3, 4), *z = noise_of(alone, 1, 5);
    assert_memory_equal(x, y + 5 * COLS, bytes);
    assert_memory_not_equal(x, y, bytes);
    assert_memory_not_equal(x, z, bytes);
    for (int i = 0; i < 3 * COLS; i++) assert_true(y[12 * COLS + i] == 2 * x[i]); /* the width scales */
    free(x);
    free(y);
    free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_uniform_within_its_width),
        cmocka_unit_test(noise_of_a_sequence_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
