/* test_grad_tree.c: the sum over microbatches is the fixed binary tree over their numbers, for every count,
 * with and without absent ones.
 */
#include "tiny.h"

#include "base/rng.h"
#include "train/train_int.h"

static float value(int micro, uint32_t element)
{
    struct rng_at at = {.seed = 3, .purpose = RNG_TEST, .sequence = (uint32_t)micro, .position = element};
    return rng_float(&at) * (float)(1 << (element % 20));
}

static bool absent(int micro, int pattern)
{
    return pattern >> (micro % 5) & 1;
}

/* Sum of microbatches [from, from + size) of the tree over `count`; *there: any of them present. */
static float expected(int from, int size, int count, int pattern, uint32_t element, bool *there)
{
    *there = false;
    if (from >= count) return 0;
    if (size == 1) {
        *there = !absent(from, pattern);
        return value(from, element);
    }
    bool a, b;
    float left = expected(from, size / 2, count, pattern, element, &a);
    float right = expected(from + size / 2, size / 2, count, pattern, element, &b);
    *there = a || b;
    return a && b ? left + right : a ? left : right;
}

static void check(struct model *m, struct grad_tree *g, int count, int pattern)
{
    grad_tree_begin(g, count);
    for (int i = 0; i < count; i++) {
        model_zero_grad(m);
        for (int k = 0; k < model_n_weights(m) && !absent(i, pattern); k++) {
            struct weight *w = model_weight(m, k);
            for (int j = 0; j < w->rows * w->cols; j++) w->grad[j] = value(i, (uint32_t)(k * 1000 + j));
        }
        grad_tree_push(g, !absent(i, pattern));
    }
    int size = 1;
    while (size < count) size *= 2;
    for (int k = 0; k < model_n_weights(m); k++) {
        const struct weight *w = model_weight(m, k);
        for (int j = 0; j < w->rows * w->cols; j += 7) {
            bool there;
            float want = expected(0, size, count, pattern, (uint32_t)(k * 1000 + j), &there);
            if (!there) want = 0;
            if (w->grad[j] != want)
                fail_msg("%d microbatches, pattern %d: %s[%d] is %a, expected %a", count, pattern, w->name, j,
                         (double)w->grad[j], (double)want);
        }
    }
}

static void sums_follow_the_fixed_tree(void **state)
{
    (void)state;
    struct err e = {0};
    char *base = tiny_path("base");
    struct model *m = model_load(base, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    model_train(m, true);
    struct grad_tree g;
    grad_tree_init(&g, m, 17);
    for (int count = 1; count <= 17; count++)
        for (int pattern = 0; pattern < 32; pattern += count < 9 ? 1 : 5) check(m, &g, count, pattern);
    grad_tree_release(&g);
    model_free(m);
    free(base);
}

static void one_microbatch_takes_no_memory(void **state)
{
    (void)state;
    struct err e = {0};
    char *base = tiny_path("base");
    struct model *m = model_load(base, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    model_train(m, true);
    assert_int_equal(grad_tree_bytes(m, 1), 0);
    assert_int_equal(grad_tree_bytes(m, 2), (size_t)model_n_params(m) * 4);
    assert_int_equal(grad_tree_bytes(m, 5), (size_t)model_n_params(m) * 12);
    model_free(m);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_follow_the_fixed_tree),
        cmocka_unit_test(one_microbatch_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
