/* test_bf16.c: a model held in bfloat16 has the numbers of its file rounded to nearest; logits and every
 * gradient are, bit for bit, those of the same numbers in float32; files keep it exactly; copies and plans
 * know of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/scratch_pool.h"
#include "model/golden_model.h"
#include "model/model_int.h"

/* Tied and not, with biases, norms that count from 1, experts, latent attention, a router's corrections. */
static const char *const names[] = {"llama_tied",        "qwen2_heads",        "gemma2_plain",
                                    "gemma3_plain",      "mixtral_plain",      "qwen3_moe_mixed",
                                    "deepseek_v3_plain", "deepseek_v2_groups", NULL};

static struct model *load(const char *path, int flags)
{
    struct err e = {0};
    struct model *m = model_load(path, flags, 3, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

static size_t count(const struct weight *w)
{
    return (size_t)w->rows * (size_t)w->cols;
}

static float *numbers(const struct weight *w)
{
    float *x = alloc_floats(count(w));
    weight_rows(w, 0, w->rows, x);
    return x;
}

/* The definition: of the two 16-bit neighbours the nearer one, in the middle the even one. */
static float nearest(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t low = bits & 0xffff0000, cut = bits & 0xffff;
    if (cut > 0x8000 || (cut == 0x8000 && low >> 16 & 1)) low += 0x10000;
    memcpy(&x, &low, sizeof x);
    return x;
}

/* b gets the numbers that a holds. */
static void take_numbers(struct model *b, struct model *a)
{
    for (int i = 0; i < model_n_weights(a); i++) {
        struct weight *to = model_weight(b, i);
        weight_rows(model_weight(a, i), 0, to->rows, to->data);
        weight_changed(to);
    }
}

static void check_rounded(const char *name, int flags)
{
    struct model *whole = load(golden_path(name, ""), flags),
                 *m = load(golden_path(name, ""), flags | MODEL_BF16);
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        float *x = numbers(model_weight(whole, i)), *y = numbers(w);
        bool buffer = m->placed[i].row->kind == WEIGHT_BUFFER;
        for (size_t k = 0; k < count(w); k++)
            if (y[k] != (buffer ? x[k] : nearest(x[k])))
                fail_msg("%s, %s[%zu]: %.9g became %.9g", name, w->name, k, (double)x[k], (double)y[k]);
        assert_true(w->bf16 == !buffer);
        free(x);
        free(y);
    }
    model_free(whole);
    model_free(m);
}

static void numbers_are_those_of_the_file_rounded_to_nearest(void **state)
{
    (void)state;
    for (int i = 0; names[i]; i++) check_rounded(names[i], 0);
    check_rounded("llama_tied", MODEL_RANDOM);
    check_rounded("deepseek_v3_plain", MODEL_RANDOM);
}

/* One pass forward and back over some tokens; logits and gradients go to out. */
struct pass {
    float *logits;
    float loss;
};

static struct pass run(struct model *m, bool train)
{
    static const int ids[] = {1, 7, 3, 3, 0, 9, 12}, rows[] = {0, 1, 2, 3, 4, 5, 6};
    enum { N = sizeof ids / sizeof *ids };
    struct span span = {0, N, 0, -1, NULL};
    struct batch b = {.n_rows = N, .tokens = ids, .n_spans = 1, .spans = &span};
    struct head_rows heads = {.n = N - 1, .rows = rows, .targets = ids + 1, .temperature = 1};
    struct arena arena;
    arena_init(&arena, (size_t)1 << 28);
    struct tape *t = tape_new(&arena);
    tape_start(t, train);
    struct pass p = {.logits = alloc_floats(N * (size_t)model_config(m)->vocab)};
    struct tensor *x = model_forward(m, t, &b, true);
    op_logits_run(t, x, model_head(m), rows, N, p.logits);
    if (train) {
        struct head_out out = op_head_run(t, x, model_head(m), &heads);
        float *seed = tape_seed(t, out.logp);
        for (int i = 0; i < N - 1; i++) seed[i] = -1.0F / (N - 1), p.loss -= out.logp->data[i];
        model_zero_grad(m);
        tape_backward(t);
    }
    tape_free(t);
    arena_release(&arena);
    return p;
}

static void assert_same(struct model *a, struct model *b, const char *what)
{
    bool train = model_weight(a, 0)->grad;
    struct pass p = run(a, train), q = run(b, train);
    size_t n = 7 * (size_t)model_config(a)->vocab;
    if (memcmp(p.logits, q.logits, n * sizeof *p.logits)) fail_msg("%s: logits differ", what);
    assert_true(p.loss == q.loss);
    for (int i = 0; train && i < model_n_weights(a); i++) {
        const struct weight *v = model_weight(a, i), *w = model_weight(b, i);
        assert_true((v->grad == NULL) == (w->grad == NULL));
        if (v->grad && memcmp(v->grad, w->grad, count(v) * sizeof *v->grad))
            fail_msg("%s: gradient of %s differs", what, v->name);
    }
    free(p.logits);
    free(q.logits);
}

static void logits_gradients_and_hash_are_those_of_float32(void **state)
{
    (void)state;
    for (int i = 0; names[i]; i++) {
        char x[65], y[65];
        struct model *m = load(golden_path(names[i], ""), MODEL_BF16);
        struct model *same = load(golden_path(names[i], ""), 0);
        take_numbers(same, m);
        model_train(m, true);
        model_train(same, true);
        assert_same(m, same, names[i]);
        model_hash(m, x);
        model_hash(same, y);
        assert_string_equal(x, y);
        model_pack(m);
        model_pack(same);
        assert_same(m, same, "packed");
        assert_int_equal(model_head(m)->form, KERN_BF16);
        model_free(m);
        model_free(same);
    }
}

/* Panels are old after a change, and are renewed by the next packing. */
static void changes_reach_the_panels(void **state)
{
    (void)state;
    struct model *m = load(golden_path("llama_tied", ""), MODEL_BF16);
    struct model *other = load(golden_path("llama_tied", ""), MODEL_BF16 | MODEL_RANDOM);
    model_pack(m);
    for (int i = 0; i < model_n_weights(m); i++) {
        float *x = numbers(model_weight(other, i));
        weight_set_rows(model_weight(m, i), 0, model_weight(m, i)->rows, x);
        weight_changed(model_weight(m, i));
        free(x);
    }
    assert_same(m, other, "changed");
    model_pack(m);
    assert_same(m, other, "changed and packed");
    model_free(m);
    model_free(other);
}

static void check_file(const char *name, const char *how, int flags)
{
    struct err e = {0};
    char x[65], y[65];
    struct model *m = load(golden_path(name, ""), MODEL_BF16);
    model_hash(m, x);
    if (model_save(m, scratch("saved"), how, NULL, &e)) fail_msg("%s", e.msg);
    struct model *again = load(scratch("saved"), flags);
    model_hash(again, y);
    if (strcmp(x, y) != 0) fail_msg("%s as %s: other numbers", name, how);
    for (int i = 0; i < m->n_weights; i++) {
        bool buffer = m->placed[i].row->kind == WEIGHT_BUFFER;
        enum dtype want = strcmp(how, "float32") == 0 || buffer ? DT_F32 : DT_BF16;
        assert_int_equal(again->placed[i].dtype, want);
    }
    const json_t *config = again->config.raw;
    assert_string_equal(json_str_or(config, "torch_dtype", json_str_or(config, "dtype", "")), how);
    model_free(m);
    model_free(again);
}

static void a_file_of_bfloat16_keeps_it_to_the_last_bit(void **state)
{
    (void)state;
    for (int i = 0; names[i]; i++) {
        check_file(names[i], "bfloat16", 0);
        check_file(names[i], "bfloat16", MODEL_BF16);
        check_file(names[i], "float32", MODEL_BF16);
    }
}

static void a_copy_is_the_same_and_its_own(void **state)
{
    (void)state;
    char x[65], y[65];
    struct model *m = load(golden_path("deepseek_v3_plain", ""), MODEL_BF16), *c = model_copy(m);
    model_hash(m, x);
    model_hash(c, y);
    assert_string_equal(x, y);
    assert_string_equal(model_dtype(c), "bfloat16");
    for (int i = 0; i < model_n_weights(m); i++)
        if (model_weight(m, i)->data16) memset(model_weight(m, i)->data16, 0, count(model_weight(m, i)) * 2);
    model_free(m);
    model_hash(c, y);
    assert_string_equal(x, y);
    free(run(c, false).logits);
    model_free(c);
}

static void matrices_take_two_bytes_and_gradients_four(void **state)
{
    (void)state;
    struct model *m = load(golden_path("qwen2_plain", ""), MODEL_BF16);
    size_t matrices = 0, vectors = 0;
    model_train(m, true);
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        assert_non_null(w->grad);
        assert_true((w->data == NULL) == (w->rows > 1));
        *(w->rows > 1 ? &matrices : &vectors) += count(w);
    }
    assert_int_equal(model_bytes(m, MODEL_BF16), 2 * matrices + 4 * vectors);
    assert_in_range(m->n_16, matrices, matrices + 32 * (size_t)m->n_weights);
    assert_in_range(model_grad_bytes(m), 4 * (matrices + vectors),
                    4 * (matrices + vectors + 16 * (size_t)m->n_weights));
    model_free(m);
}

/* What fits float32 alone has no bfloat16. */
static void a_number_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m = load(golden_path("llama_tied", ""), 0);
    model_find(m, "model.layers.0.mlp.up_proj.weight")->data[40] = 3.4e38F;
    if (model_save(m, scratch("large"), "float32", NULL, &e)) fail_msg("%s", e.msg);
    model_free(m);
    m = load(scratch("large"), 0);
    model_free(m);
    assert_null(model_load(scratch("large"), MODEL_BF16, 0, &e));
    assert_non_null(strstr(e.msg, "up_proj.weight"));
}

static size_t planned(struct model *m)
{
    static const int ids[7];
    struct span span = {0, 7, 0, -1, NULL};
    struct batch b = {.n_rows = 7, .tokens = ids, .n_spans = 1, .spans = &span};
    struct arena arena;
    arena_init_plan(&arena);
    struct tape *t = tape_new(&arena);
    tape_start(t, true);
    model_forward(m, t, &b, false);
    size_t peak = arena.peak;
    tape_free(t);
    arena_release(&arena);
    return peak;
}

static void a_plan_may_suppose_it(void **state)
{
    (void)state;
    char x[65], y[65];
    struct model *m = load(golden_path("mixtral_plain", ""), 0),
                 *narrow = load(golden_path("mixtral_plain", ""), MODEL_BF16);
    model_train(m, true);
    model_train(narrow, true);
    size_t own = planned(m), other = planned(narrow);
    assert_int_not_equal(own, other);
    model_hash(m, x);
    model_suppose_bf16(m, true);
    assert_int_equal(planned(m), other);
    assert_int_equal(weight_pack_bytes(model_head(m)), weight_pack_bytes(model_head(narrow)));
    model_suppose_bf16(m, false);
    assert_int_equal(planned(m), own);
    model_hash(m, y);
    assert_string_equal(x, y);
    model_free(m);
    model_free(narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_file_rounded_to_nearest),
        cmocka_unit_test(logits_gradients_and_hash_are_those_of_float32),
        cmocka_unit_test(changes_reach_the_panels),
        cmocka_unit_test(a_file_of_bfloat16_keeps_it_to_the_last_bit),
        cmocka_unit_test(a_copy_is_the_same_and_its_own),
        cmocka_unit_test(matrices_take_two_bytes_and_gradients_four),
        cmocka_unit_test(a_number_that_is_too_large_is_refused),
        cmocka_unit_test(a_plan_may_suppose_it),
    };
    return cmocka_run_group_tests(tests, scratch_pool_make, scratch_pool_remove);
}
