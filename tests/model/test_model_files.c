/* test_model_files.c: the same weights from every kind of file, saving and loading again, random starts, and
 * configurations and checkpoints that must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/scratch.h"
#include "base/str.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static struct model *load(const char *path, int flags, uint64_t seed)
{
    struct err e = {0};
    struct model *m = model_load(path, flags, seed, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

static void assert_same_weights(struct model *a, struct model *b)
{
    char x[65], y[65];
    model_hash(a, x);
    model_hash(b, y);
    assert_string_equal(x, y);
    assert_int_equal(model_n_params(a), model_n_params(b));
}

/* ---- sources ------------------------------------------------------------------------------------------- */

/* Norms of Gemma lie in GGUF with the 1 added, and lose what does not fit behind it. */
static void assert_near_weights(struct model *a, struct model *b)
{
    assert_int_equal(model_n_weights(a), model_n_weights(b));
    for (int i = 0; i < model_n_weights(a); i++) {
        const struct weight *x = model_weight(a, i), *y = model_weight(b, i);
        float limit = x->plus_one ? 0x1p-23F : 0;
        assert_string_equal(x->name, y->name);
        for (int j = 0; j < x->rows * x->cols; j++) assert_true(fabsf(x->data[j] - y->data[j]) <= limit);
    }
}

static void gguf_gives_the_weights_and_sizes_of_its_original(void **state)
{
    (void)state;
    static const char *const names[] = {"llama_linear",    "llama_bias",      "qwen2_heads",   "qwen3_plain",
                                        "smollm3_plain",   "gemma2_plain",    "gemma3_linear", "mixtral_all",
                                        "qwen3_moe_plain", "deepseek_v2_lite"};
    for (int i = 0; i < 10; i++) {
        char path[128];
        snprintf(path, sizeof path, "tests/golden/gguf/%s.gguf", names[i]);
        struct model *a = load(golden_path(names[i], ""), 0, 0), *b = load(path, 0, 0);
        const struct model_config *x = model_config(a), *y = model_config(b);
        assert_near_weights(a, b);
        assert_ptr_equal(x->arch, y->arch);
        assert_true(x->window == y->window && x->full_every == y->full_every);
        assert_true(x->score_cap == y->score_cap && x->logit_cap == y->logit_cap);
        assert_true(x->query_scalar == y->query_scalar && x->local_theta == y->local_theta);
        assert_true(x->rms_eps == y->rms_eps && x->rope_theta == y->rope_theta && x->tied == y->tied);
        assert_true(x->head_dim == y->head_dim && x->max_positions == y->max_positions);
        assert_true(x->bos == y->bos && x->eos == y->eos && x->pad == -1 && y->pad == -1);
        assert_true(x->nope_dim == y->nope_dim && x->rope_dim == y->rope_dim && x->q_rank == y->q_rank);
        assert_true(x->experts == y->experts && x->top_k == y->top_k && x->groups == y->groups);
        assert_true(x->gate_scale == y->gate_scale && x->normalise_gates == y->normalise_gates);
        bool dropped = !strcmp(names[i], "llama_bias"); /* tools/golden/gguf_models.py */
        bool plain = !x->rope_scaling && !y->rope_scaling;
        if (!dropped) assert_true(plain || json_equal(x->rope_scaling, y->rope_scaling));
        model_free(a);
        model_free(b);
    }
}

static void saving_keeps_every_bit(void **state)
{
    (void)state;
    struct err e = {0};
    static const uint64_t limits[] = {5000000000, 3000, 1};
    for (int k = 0; golden_names[k]; k++) {
        struct model *m = load(golden_path(golden_names[k], ""), 0, 0);
        for (int i = k < 3 ? 0 : k % 3; i < (k < 3 ? 3 : k % 3 + 1); i++) { /* all for some, each for all */
            if (model_save_sharded(m, scratch("saved/"), "float32", i ? NULL : "# card\n", limits[i], &e))
                fail_msg("%s", e.msg);
            assert_int_equal(file_exists(scratch("saved/model.safetensors.index.json")), i > 0);
            assert_int_equal(file_exists(scratch("saved/model.safetensors")), i == 0);
            assert_int_equal(file_exists(scratch("saved/README.md")), i == 0);
            assert_false(file_exists(scratch("saved.partial")));
            struct model *again = load(scratch("saved"), 0, 0);
            assert_same_weights(m, again);
            assert_true(model_config(again)->eos == 2);
            model_free(again);
        }
        model_free(m);
    }
}

static void sixteen_bits_are_rounded_and_named_in_the_config(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        float error;
    } kinds[] = {{"bfloat16", 1.0F / 256}, {"float16", 1.0F / 2048}};
    struct err e = {0};
    for (int k = 0; k < 2; k++) {
        struct model *m = load(golden_path(k ? "qwen2_tied" : "llama_plain", ""), 0, 0);
        if (model_save(m, scratch("half"), kinds[k].dtype, NULL, &e)) fail_msg("%s", e.msg);
        struct model *again = load(scratch("half"), 0, 0);
        for (int i = 0; i < model_n_weights(m); i++) {
            const struct weight *x = model_weight(m, i), *y = model_weight(again, i);
            for (int j = 0; j < x->rows * x->cols; j++)
                assert_true(fabsf(x->data[j] - y->data[j]) <= kinds[k].error * fabsf(x->data[j]) + 1e-7F);
        }
        /* the model with older keys has torch_dtype, the other dtype */
        assert_string_equal(json_str_or(model_config(again)->raw, k ? "dtype" : "torch_dtype", ""),
                            kinds[k].dtype);
        assert_null(json_object_get(model_config(again)->raw, k ? "torch_dtype" : "dtype"));
        /* and what was rounded once is not rounded again */
        if (model_save(again, scratch("half2"), kinds[k].dtype, NULL, &e)) fail_msg("%s", e.msg);
        struct model *third = load(scratch("half2"), 0, 0);
        assert_same_weights(again, third);
        model_free(m);
        model_free(again);
        model_free(third);
    }
}

static void only_a_model_is_replaced(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m = load(golden_path("llama_linear", ""), 0, 0);
    assert_int_equal(file_mkdirs(scratch("precious"), &e), 0);
    assert_int_equal(file_write(scratch("precious/thesis.txt"), "x", 1, &e), 0);
    assert_int_equal(model_save(m, scratch("precious"), "float32", NULL, &e), -1);
    assert_non_null(strstr(e.msg, "thesis.txt"));
    assert_true(file_exists(scratch("precious/thesis.txt")));
    assert_false(file_exists(scratch("precious/config.json")));
    assert_int_equal(model_save(m, scratch("precious/thesis.txt"), "float32", NULL, &e), -1);
    assert_int_equal(model_save(m, scratch("x"), "int8", NULL, &e), -1);
    assert_int_equal(e.kind, ERR_USAGE);
    model_weight(m, 3)->data[1] = NAN;
    assert_int_equal(model_save(m, scratch("x"), "float32", NULL, &e), -1);
    assert_non_null(strstr(e.msg, model_weight(m, 3)->name));
    model_weight(m, 3)->data[1] = 70000;
    assert_int_equal(model_save(m, scratch("x"), "float16", NULL, &e), -1);
    assert_false(file_exists(scratch("x")));
    model_free(m);
}

static void a_copy_is_equal_and_apart(void **state)
{
    (void)state;
    struct model *m = load(golden_path("qwen2_plain", ""), 0, 0), *c = model_copy(m);
    char before[65], after[65];
    assert_same_weights(m, c);
    model_hash(c, before);
    model_weight(m, 2)->data[0] += 1;
    model_hash(c, after);
    assert_string_equal(before, after);
    model_hash(m, after);
    assert_string_not_equal(before, after);
    model_free(m);
    model_hash(c, after);
    assert_string_equal(before, after);
    model_free(c);
}

static void gradients_lie_in_one_block(void **state)
{
    (void)state;
    struct model *m = load(golden_path("qwen2_plain", ""), 0, 0);
    assert_null(model_weight(m, 0)->grad);
    model_train(m, true);
    for (int i = 0; i < model_n_weights(m); i++) {
        struct weight *w = model_weight(m, i);
        assert_non_null(w->grad);
        assert_int_equal((uintptr_t)w->grad % 64, 0);
        for (int j = 0; j < w->rows * w->cols; j++) w->grad[j] = 1;
    }
    model_zero_grad(m);
    for (int i = 0; i < model_n_weights(m); i++)
        for (int j = 0; j < model_weight(m, i)->rows; j++) assert_true(model_weight(m, i)->grad[j] == 0);
    model_train(m, false);
    assert_null(model_weight(m, 0)->grad);
    model_free(m);
}

/* ---- random starts ------------------------------------------------------------------------------------- */

static void write_config(const char *dir, const char *text)
{
    char path[300];
    assert_int_equal(file_mkdirs(dir, NULL), 0);
    snprintf(path, sizeof path, "%s/config.json", dir);
    assert_int_equal(file_write(path, text, strlen(text), NULL), 0);
}

#define SIZES                                                                                                \
    "\"vocab_size\":500,\"hidden_size\":64,\"num_hidden_layers\":2,\"num_attention_heads\":4,"               \
    "\"num_key_value_heads\":2,\"intermediate_size\":96"

static void random_weights_have_the_asked_spread_and_depend_on_the_seed_alone(void **state)
{
    (void)state;
    write_config(scratch("fresh"), "{\"model_type\":\"qwen2\"," SIZES ",\"initializer_range\":0.5}");
    struct model *a = load(scratch("fresh"), MODEL_RANDOM, 1), *b = load(scratch("fresh"), MODEL_RANDOM, 1);
    struct model *c = load(scratch("fresh"), MODEL_RANDOM, 2);
    char x[65], y[65];
    assert_same_weights(a, b);
    model_hash(a, x);
    model_hash(c, y);
    assert_string_not_equal(x, y);
    for (int i = 0; i < model_n_weights(a); i++) {
        const struct weight *w = model_weight(a, i);
        double sum = 0, squares = 0, n = (double)w->rows * w->cols;
        for (int j = 0; j < w->rows * w->cols; j++) {
            sum += w->data[j];
            squares += (double)w->data[j] * w->data[j];
        }
        if (str_ends(w->name, "bias"))
            assert_true(squares == 0);
        else if (strstr(w->name, "norm"))
            assert_true(sum == n && squares == n);
        else {
            assert_true(fabs(sum / n) < 6 * 0.5 / sqrt(n));
            assert_true(fabs(squares / n - 0.25) < 6 * 0.25 * sqrt(2 / n));
        }
    }
    model_free(a);
    model_free(b);
    model_free(c);
}

static void a_description_alone_has_sizes_but_no_numbers(void **state)
{
    (void)state;
    write_config(scratch("fresh"), "{\"model_type\":\"llama\"," SIZES ",\"tie_word_embeddings\":true}");
    struct model *m = load(scratch("fresh"), MODEL_NO_WEIGHTS, 0);
    int64_t layer = 64 * 64 * 2 + 2 * 32 * 64 + 3 * 96 * 64 + 2 * 64;
    assert_int_equal(model_n_params(m), 500 * 64 + 2 * layer + 64);
    assert_null(model_weight(m, 0)->data);
    assert_ptr_equal(model_head(m), model_find(m, "model.embed_tokens.weight"));
    assert_null(model_find(m, "lm_head.weight"));
    model_free(m);
}

/* The published counts of the models this program is for (spec of the dense architectures). */
static void published_models_have_their_number_of_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int64_t n;
    } models[] = {
        {"{\"model_type\":\"llama\",\"vocab_size\":49152,\"hidden_size\":576,\"num_hidden_layers\":30,"
         "\"num_attention_heads\":9,\"num_key_value_heads\":3,\"intermediate_size\":1536,"
         "\"tie_word_embeddings\":true}",
         134515008},
        {"{\"model_type\":\"llama\",\"vocab_size\":128256,\"hidden_size\":4096,\"num_hidden_layers\":32,"
         "\"num_attention_heads\":32,\"num_key_value_heads\":8,\"intermediate_size\":14336}",
         8030261248},
        {"{\"model_type\":\"qwen2\",\"vocab_size\":151936,\"hidden_size\":1536,\"num_hidden_layers\":28,"
         "\"num_attention_heads\":12,\"num_key_value_heads\":2,\"intermediate_size\":8960}",
         1777088000},
        {"{\"model_type\":\"qwen2\",\"vocab_size\":152064,\"hidden_size\":5120,\"num_hidden_layers\":64,"
         "\"num_attention_heads\":40,\"num_key_value_heads\":8,\"intermediate_size\":27648}",
         32763876352},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        write_config(scratch("fresh"), models[i].config);
        struct model *m = load(scratch("fresh"), MODEL_NO_WEIGHTS, 0);
        assert_int_equal(model_n_params(m), models[i].n);
        model_free(m);
    }
}

/* ---- what must be refused ------------------------------------------------------------------------------ */

static void odd_configurations_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *config, *says;
    } cases[] = {
        {"[]", "object"},
        {"{", "config.json"},
        {"{}", "model_type"},
        {"{\"model_type\":\"bert\"}", "known: llama, qwen2"},
        {"{\"model_type\":\"llama\"}", "vocab_size"},
        {"{\"model_type\":\"llama\",\"vocab_size\":9,\"hidden_size\":0,\"num_hidden_layers\":1,"
         "\"num_attention_heads\":1,\"intermediate_size\":4}",
         "hidden_size"},
        {"{\"model_type\":\"llama\"," SIZES "," SIZES "}", "duplicate"},
        {"{\"model_type\":\"llama\"," SIZES ",\"head_dim\":7}", "even"},
        {"{\"model_type\":\"llama\"," SIZES ",\"head_dim\":\"8\"}", "head_dim"},
        {"{\"model_type\":\"llama\"," SIZES ",\"head_dim\":8.5}", "whole"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rms_norm_eps\":-1}", "rms_norm_eps"},
        {"{\"model_type\":\"llama\"," SIZES ",\"max_position_embeddings\":1e99}", "max_position"},
        {"{\"model_type\":\"llama\"," SIZES ",\"tie_word_embeddings\":1}", "tie_word_embeddings"},
        {"{\"model_type\":\"llama\"," SIZES ",\"hidden_act\":\"gelu\"}", "hidden_act"},
        {"{\"model_type\":\"llama\"," SIZES ",\"pretraining_tp\":2}", "pretraining_tp"},
        {"{\"model_type\":\"llama\"," SIZES ",\"mlp_bias\":\"no\"}", "mlp_bias"},
        {"{\"model_type\":\"llama\"," SIZES ",\"architectures\":[\"LlamaForX\"]}", "LlamaForX"},
        {"{\"model_type\":\"llama\"," SIZES ",\"quantization_config\":{}}", "quantised"},
        {"{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":500}", "eos_token_id"},
        {"{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":[1,900]}", "eos_token_id"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_theta\":0}", "rope_theta"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"longrope\"}}", "longrope"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"yarn\",\"beta_slow\":40}}",
         "beta_fast"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"yarn\",\"truncate\":1}}",
         "truncate"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"partial_rotary_factor\":0.5}}", "partial"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":{\"type\":\"linear\"}}", "factor"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_scaling\":7}", "rope_scaling"},
        {"{\"model_type\":\"llama\"," SIZES ",\"rope_parameters\":{\"a\":{}}}", "layer"},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"sliding_window\":0}", "sliding_window"},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"layer_types\":[\"full_attention\",\"x\"]}", "layer_types"},
        {"{\"model_type\":\"qwen2\"," SIZES ",\"layer_types\":[\"full_attention\"]}", "a list of 2"},
        {"{\"model_type\":\"qwen2\"," SIZES
         ",\"layer_types\":[\"full_attention\",\"sliding_attention\"],\"use_sliding_window\":false}",
         "has no sliding window"},
        {"{\"model_type\":\"smollm3\"," SIZES ",\"no_rope_layers\":[1]}", "no_rope_layers"},
        {"{\"model_type\":\"smollm3\"," SIZES ",\"no_rope_layers\":[1,\"0\"]}", "must be 1 or 0"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"hidden_activation\":\"gelu\"}", "gelu_pytorch_tanh"},
        {"{\"model_type\":\"gemma2\"," SIZES ",\"final_logit_softcapping\":-1}", "final_logit_softcapping"},
        {"{\"model_type\":\"gemma3_text\"," SIZES ",\"rope_parameters\":{\"sliding_attention\":"
         "{\"rope_type\":\"linear\",\"factor\":2}}}",
         "scaling of the sliding layers"},
        {"{\"model_type\":\"qwen2\",\"num_attention_heads\":6,\"num_key_value_heads\":4,\"vocab_size\":9,"
         "\"hidden_size\":12,\"num_hidden_layers\":1,\"intermediate_size\":4}",
         "num_key_value_heads"},
        {"{\"model_type\":\"llama\",\"num_attention_heads\":5,\"vocab_size\":9,\"hidden_size\":12,"
         "\"num_hidden_layers\":1,\"intermediate_size\":4}",
         "multiple"},
        {"{\"model_type\":\"llama\",\"vocab_size\":16777216,\"hidden_size\":262144,\"num_hidden_layers\":"
         "4096,"
         "\"num_attention_heads\":4096,\"head_dim\":512,\"intermediate_size\":1048576}",
         "this machine has"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        write_config(scratch("odd"), cases[i].config);
        struct model *m = model_load(scratch("odd"), MODEL_RANDOM, 0, &e);
        assert_null(m);
        if (!strstr(e.msg, cases[i].says) || !strstr(e.msg, "odd")) fail_msg("case %zu: %s", i, e.msg);
    }
}

/* A good model with one entry of its file changed. */
static void save_changed(struct model *m, const char *dir, int entry, const struct safetensors_entry *change)
{
    struct err e = {0};
    struct safetensors_entry entries[128];
    int n = 0;
    char path[300];
    if (model_save(m, dir, "float32", NULL, &e)) fail_msg("%s", e.msg);
    for (int i = 0; i < model_n_weights(m); i++) {
        const struct weight *w = model_weight(m, i);
        struct safetensors_entry t = {.name = w->name, .dtype = DT_F32, .data = w->data};
        t.n_dims = model_weight_shape(m, i, t.shape);
        if (i == entry && change) t = *change;
        if (i != entry || change) entries[n++] = t;
    }
    if (entry == n) entries[n++] = *change;
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    if (safetensors_write(path, entries, n, &e)) fail_msg("%s", e.msg);
}

static void a_checkpoint_must_hold_exactly_its_weights(void **state)
{
    (void)state;
    struct model *m = load(golden_path("llama_linear", ""), 0, 0);
    const struct weight *w = model_weight(m, 0);
    int n = model_n_weights(m);
    float bad[600] = {0}, zero[600] = {0};
    bad[599] = INFINITY;
    assert_true(w->rows * w->cols < 600);
    const struct {
        int entry;
        struct safetensors_entry change;
        const char *says;
    } cases[] = {
        {0, {NULL, DT_F32, 0, {0}, NULL, NULL}, "embed_tokens.weight is missing"},
        {0, {w->name, DT_F32, 2, {w->cols, w->rows}, zero, NULL}, "config.json asks for [33,16]"},
        {0, {w->name, DT_F32, 1, {w->rows * w->cols}, zero, NULL}, "config.json asks for [33,16]"},
        {0, {w->name, DT_F32, 2, {w->rows, w->cols}, bad + 600 - 33 * 16, NULL}, "row 32"},
        {n, {"model.layers.0.extra", DT_F32, 1, {1}, zero, NULL}, "extra is not part"},
        {n, {"model.layers.3.self_attn.rotary_emb.inv_freq", DT_F32, 1, {1}, zero, NULL}, NULL},
        {n, {"lm_head.weight", DT_F32, 1, {1}, zero, NULL}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        save_changed(m, scratch("changed"), cases[i].entry, cases[i].change.name ? &cases[i].change : NULL);
        struct model *again = model_load(scratch("changed"), 0, 0, &e);
        if (!cases[i].says != (again != NULL) || (cases[i].says && !strstr(e.msg, cases[i].says)))
            fail_msg("case %zu: %s", i, e.msg);
        model_free(again);
    }
    model_free(m);
}

static void end_of_sequence_ids_come_from_the_nearest_source(void **state)
{
    (void)state;
    const int *ids;
    write_config(scratch("eos"), "{\"model_type\":\"llama\"," SIZES ",\"eos_token_id\":[7,9]}");
    struct model *m = load(scratch("eos"), MODEL_NO_WEIGHTS, 0);
    assert_int_equal(model_eos(m, &ids), 2);
    assert_true(ids[0] == 7 && ids[1] == 9 && model_config(m)->eos == 7);
    model_free(m);
    const char *generation = "{\"eos_token_id\":[4,4,5,6]}";
    assert_int_equal(file_write(scratch("eos/generation_config.json"), generation, strlen(generation), NULL),
                     0);
    m = load(scratch("eos"), MODEL_NO_WEIGHTS, 0);
    assert_int_equal(model_eos(m, &ids), 3);
    assert_true(ids[0] == 4 && ids[2] == 6);
    model_free(m);
}

/* Llama 3.1's divisors for theta 5e5 and head size 128 (spec of the dense architectures: indices 0..28 are
 * unchanged, 29..34 blended, 35..63 divided by 8), and back from them to the parameters. */
static void llama3_scaling_is_found_again_from_its_divisors(void **state)
{
    (void)state;
    double plain[64], scaled[64];
    float divisors[64];
    rope_frequencies(500000, NULL, 128, plain);
    json_t *scaling =
        json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", 8.0, "low_freq_factor", 1.0,
                  "high_freq_factor", 4.0, "original_max_position_embeddings", 8192);
    rope_frequencies(500000, scaling, 128, scaled);
    assert_true(fabs(plain[1] - 0.8146172) < 1e-6);
    for (int i = 0; i < 64; i++) {
        divisors[i] = (float)(plain[i] / scaled[i]);
        assert_true(i > 28 || divisors[i] == 1);
        assert_true(i < 29 || i > 34 || (divisors[i] > 1 && divisors[i] < 8));
        assert_true(i < 35 || fabsf(divisors[i] - 8) < 1e-5F);
    }
    json_t *found = rope_scaling_from_divisors(divisors, 64, 500000, 8192);
    assert_non_null(found);
    static const char *const keys[] = {"factor", "low_freq_factor", "high_freq_factor",
                                       "original_max_position_embeddings"};
    for (int i = 0; i < 4; i++)
        assert_true(json_number_value(json_object_get(found, keys[i])) ==
                    json_number_value(json_object_get(scaling, keys[i])));
    json_decref(found);
    divisors[40] = 5;
    assert_null(rope_scaling_from_divisors(divisors, 64, 500000, 8192));
    json_decref(scaling);
}

/* DeepSeek-R1's: 64 turning numbers, theta 1e4, stretched 40 times from 4096 (values of its own code, spec of
 * that architecture); and Qwen2.5's four times from 32768, where cos and sin grow instead of the scores. */
static void yarn_blends_frequencies_and_scales_by_mscale(void **state)
{
    (void)state;
    static const struct {
        int i;
        double want;
    } pairs[] = {{0, 1},
                 {10, 0.05623412877},
                 {11, 0.03900692612},
                 {12, 0.02687936090},
                 {16, 0.005500000436},
                 {22, 1.778279402e-4},
                 {23, 3.333803761e-5},
                 {31, 3.333803761e-6}};
    struct model_config c = {.rope_theta = 10000, .max_positions = 163840};
    struct err e = {0};
    double inv_freq[64];
    c.raw = json_pack("{s:{s:s, s:i, s:i, s:i, s:i, s:f, s:f}}", "rope_scaling", "type", "yarn", "factor", 40,
                      "original_max_position_embeddings", 4096, "beta_fast", 32, "beta_slow", 1, "mscale",
                      1.0, "mscale_all_dim", 1.0);
    if (rope_config(&c, "R1", &e)) fail_msg("%s", e.msg);
    assert_true(rope_frequencies(10000, c.rope_scaling, 64, inv_freq) == 1);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_true(fabs(inv_freq[pairs[i].i] / pairs[i].want - 1) < 2e-7);
    assert_true(fabs(rope_score_factor(c.rope_scaling) - 1.8738542070926265) < 1e-12);
    config_release(&c);

    c.raw = json_pack("{s:{s:s, s:f, s:i}}", "rope_scaling", "type", "yarn", "factor", 4.0,
                      "original_max_position_embeddings", 32768);
    if (rope_config(&c, "Qwen", &e)) fail_msg("%s", e.msg);
    assert_true(fabs((double)rope_frequencies(1e6, c.rope_scaling, 128, inv_freq) - 1.138629) < 1e-6);
    assert_true(rope_score_factor(c.rope_scaling) == 1);
    config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_gives_the_weights_and_sizes_of_its_original),
        cmocka_unit_test(saving_keeps_every_bit),
        cmocka_unit_test(sixteen_bits_are_rounded_and_named_in_the_config),
        cmocka_unit_test(only_a_model_is_replaced),
        cmocka_unit_test(a_copy_is_equal_and_apart),
        cmocka_unit_test(gradients_lie_in_one_block),
        cmocka_unit_test(random_weights_have_the_asked_spread_and_depend_on_the_seed_alone),
        cmocka_unit_test(a_description_alone_has_sizes_but_no_numbers),
        cmocka_unit_test(published_models_have_their_number_of_parameters),
        cmocka_unit_test(odd_configurations_are_refused_by_name),
        cmocka_unit_test(a_checkpoint_must_hold_exactly_its_weights),
        cmocka_unit_test(end_of_sequence_ids_come_from_the_nearest_source),
        cmocka_unit_test(llama3_scaling_is_found_again_from_its_divisors),
        cmocka_unit_test(yarn_blends_frequencies_and_scales_by_mscale),
    };
    pool_start(0);
    int failed = cmocka_run_group_tests(tests, scratch_make, scratch_remove);
    pool_stop();
    return failed;
}
