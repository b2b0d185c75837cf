/* test_optimiser.c: AdamW and clipping equal PyTorch's over 14 steps (tools/golden/optim.py); moments
 * survive a file to the last bit; a bad gradient changes nothing and is named.
 */
#include "tiny.h"

#include <math.h>

static struct model *load_model(void)
{
    static const char config[] = "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"vocab_"
                                 "size\":24,\"hidden_size\":8,"
                                 "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":"
                                 "1,\"intermediate_size\":16,"
                                 "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-6,\"rope_theta\":10000."
                                 "0,\"tie_word_embeddings\":true}";
    struct err e = {0};
    char *dir = tiny_path("adamw");
    if (file_mkdirs(dir, &e)) fail_msg("%s", e.msg);
    tiny_write("adamw/config.json", config);
    struct model *m = model_load(dir, MODEL_RANDOM, 1, &e);
    if (!m) fail_msg("%s", e.msg);
    model_train(m, true);
    free(dir);
    return m;
}

/* The formula of tools/golden/optim.py. */
static void fill(float *out, size_t n, uint64_t salt)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t x = (i * 2654435761u + salt * 40503 + 12345) % 4294967296u / 4194304;
        out[i] = (float)((double)x - 512) / 512.0f;
    }
}

/* Position of each weight in the golden file's list. */
static const char *const golden_order[] = {"model.embed_tokens.weight",
                                           "model.layers.0.input_layernorm.weight",
                                           "model.layers.0.self_attn.q_proj.weight",
                                           "model.layers.0.self_attn.q_proj.bias",
                                           "model.layers.0.self_attn.k_proj.weight",
                                           "model.layers.0.self_attn.k_proj.bias",
                                           "model.layers.0.self_attn.v_proj.weight",
                                           "model.layers.0.self_attn.v_proj.bias",
                                           "model.layers.0.self_attn.o_proj.weight",
                                           "model.layers.0.post_attention_layernorm.weight",
                                           "model.layers.0.mlp.gate_proj.weight",
                                           "model.layers.0.mlp.up_proj.weight",
                                           "model.layers.0.mlp.down_proj.weight",
                                           "model.norm.weight"};
enum { N_GOLDEN = sizeof golden_order / sizeof *golden_order };

static void fill_all(struct model *m, bool grad, uint64_t salt)
{
    for (uint64_t k = 0; k < N_GOLDEN; k++) {
        struct weight *w = model_find(m, golden_order[k]);
        assert_non_null(w);
        fill(grad ? w->grad : w->data, (size_t)w->rows * (size_t)w->cols, salt + k);
    }
}

static void compare_ends(struct model *m, const json_t *ends, int step)
{
    for (int k = 0; k < N_GOLDEN; k++) {
        const struct weight *w = model_find(m, golden_order[k]);
        const json_t *want = json_object_get(ends, golden_order[k]);
        size_t n = (size_t)w->rows * (size_t)w->cols, at[4] = {0, 1, n - 2, n - 1};
        for (size_t i = 0; i < 4; i++) {
            double expected = json_number_value(json_array_get(want, i)), got = (double)w->data[at[i]];
            if (!(fabs(got - expected) <= 2e-6 * (1 + fabs(expected))))
                fail_msg("step %d %s[%zu]: %.9g, expected %.9g", step, golden_order[k], at[i], got, expected);
        }
    }
}

static void run_golden(const json_t *run)
{
    const json_t *betas = json_object_get(run, "betas"), *step;
    struct adamw_opts o = {.b1 = json_number_value(json_array_get(betas, 0)),
                           .b2 = json_number_value(json_array_get(betas, 1)),
                           .eps = json_number_value(json_object_get(run, "eps")),
                           .weight_decay = json_number_value(json_object_get(run, "wd")),
                           .max_grad_norm = json_number_value(json_object_get(run, "clip"))};
    struct model *m = load_model();
    assert_int_equal(model_n_weights(m), N_GOLDEN);
    fill_all(m, false, 0);
    struct optimiser *opt = optimiser_new(m, &o);
    size_t i;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        const char *bad;
        double want = json_number_value(json_object_get(step, "norm"));
        fill_all(m, true, 1000 * (i + 1));
        double norm = optimiser_step(opt, json_number_value(json_object_get(step, "lr")), &bad);
        assert_null(bad);
        if (!(fabs(norm - want) <= 1e-5 * want))
            fail_msg("step %zu: norm %.9g, expected %.9g", i, norm, want);
        compare_ends(m, json_object_get(step, "ends"), (int)i);
    }
    assert_int_equal(i, 14);
    optimiser_free(opt);
    model_free(m);
}

static void adamw_and_clipping_equal_pytorch(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *runs = json_read_file("tests/golden/optim/adamw.json", &e), *run;
    if (!runs) fail_msg("%s", e.msg);
    size_t i;
    json_array_foreach(runs, i, run) run_golden(run);
    assert_int_equal(i, 3);
    json_decref(runs);
}

static const struct adamw_opts plain = {0.9, 0.999, 1e-8, 0.01, 1.0};

static void moments_survive_a_file_to_the_last_bit(void **state)
{
    (void)state;
    struct err e = {0};
    const char *bad;
    char a[65], b[65], *path = tiny_path("optimizer.safetensors");
    struct model *one = load_model(), *two = load_model();
    struct optimiser *x = optimiser_new(one, &plain), *y = optimiser_new(two, &plain);
    for (int step = 0; step < 5; step++) {
        fill_all(one, true, 77 + (uint64_t)step);
        optimiser_step(x, 1e-2, &bad);
    }
    if (optimiser_save(x, path, &e) || optimiser_load(y, path, &e)) fail_msg("%s", e.msg);
    for (int k = 0; k < N_GOLDEN; k++) {
        struct weight *from = model_find(one, golden_order[k]), *to = model_find(two, golden_order[k]);
        memcpy(to->data, from->data, (size_t)to->rows * (size_t)to->cols * sizeof *to->data);
    }
    for (int step = 0; step < 3; step++) {
        fill_all(one, true, 500 + (uint64_t)step);
        fill_all(two, true, 500 + (uint64_t)step);
        optimiser_step(x, 1e-2, &bad);
        optimiser_step(y, 1e-2, &bad);
    }
    model_hash(one, a);
    model_hash(two, b);
    assert_string_equal(a, b);
    optimiser_free(x);
    optimiser_free(y);
    model_free(one);
    model_free(two);
    free(path);
}

static void a_bad_gradient_changes_nothing_and_is_named(void **state)
{
    (void)state;
    const float wrong[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        char before[65], after[65];
        const char *bad;
        struct model *m = load_model();
        struct optimiser *opt = optimiser_new(m, &plain);
        fill_all(m, true, 3);
        model_find(m, "model.layers.0.mlp.up_proj.weight")->grad[5] = wrong[i];
        model_hash(m, before);
        double norm = optimiser_step(opt, 1e-2, &bad);
        assert_false(isfinite(norm));
        assert_string_equal(bad, "model.layers.0.mlp.up_proj.weight");
        model_hash(m, after);
        assert_string_equal(before, after);
        optimiser_free(opt);
        model_free(m);
    }
}

static void a_file_of_another_model_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    char *path = tiny_path("wrong.safetensors");
    float x[8] = {0};
    struct safetensors_entry one = {.name = "step", .dtype = DT_F32, .n_dims = 1, .shape = {1}, .data = x};
    if (safetensors_write(path, &one, 1, &e)) fail_msg("%s", e.msg);
    struct model *m = load_model();
    struct optimiser *opt = optimiser_new(m, &plain);
    assert_int_equal(optimiser_load(opt, path, &e), -1);
    assert_non_null(strstr(e.msg, "another model"));
    optimiser_free(opt);
    model_free(m);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_and_clipping_equal_pytorch),
        cmocka_unit_test(moments_survive_a_file_to_the_last_bit),
        cmocka_unit_test(a_bad_gradient_changes_nothing_and_is_named),
        cmocka_unit_test(a_file_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
