/* test_gguf_experts.c: mixtures and latent attention in GGUF: stacked experts of any type, kv_b whole or in
 * two, the layout of published models, a folder that comes back from GGUF whole, and files that are broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/scratch_pool.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static struct model *load(const char *path, int flags)
{
    struct err e = {0};
    struct model *m = model_load(path, flags, 11, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

static void assert_same_weight(const struct weight *x, const struct weight *y)
{
    float *row[2] = {alloc_floats((size_t)x->cols), alloc_floats((size_t)x->cols)};
    assert_true(x->rows == y->rows && x->cols == y->cols);
    for (int r = 0; r < x->rows; r++) {
        weight_rows(x, r, 1, row[0]);
        weight_rows(y, r, 1, row[1]);
        if (memcmp(row[0], row[1], (size_t)x->cols * sizeof(float))) fail_msg("%s, row %d", x->name, r);
    }
    free(row[0]);
    free(row[1]);
}

/* Every weight of `part` as `whole`, which may have more, has it. */
static void assert_same_weights(struct model *part, struct model *whole)
{
    for (int i = 0; i < model_n_weights(part); i++) {
        const struct weight *x = model_weight(part, i), *y = model_find(whole, x->name);
        if (!y) fail_msg("no %s", x->name);
        assert_same_weight(x, y);
    }
}

static const char *const mixtures[] = {"mixtral_plain",      "mixtral_all",      "qwen3_moe_plain",
                                       "deepseek_v3_plain",  "deepseek_v2_lite", "deepseek_v2_groups",
                                       "deepseek_v3_further"};
enum { N_MIXTURES = sizeof mixtures / sizeof *mixtures };

static void a_folder_comes_back_whole_from_gguf(void **state)
{
    (void)state;
    for (int k = 0; k < N_MIXTURES; k++) {
        struct err e = {0};
        struct model *a = load(golden_path(mixtures[k], ""), MODEL_IN_PLACE);
        if (model_save_gguf(a, scratch("m.gguf"), "f32", &e)) fail_msg("%s", e.msg);
        struct model *b = load(scratch("m.gguf"), MODEL_IN_PLACE);
        if (model_save(b, scratch("back"), "float32", NULL, &e)) fail_msg("%s", e.msg);
        struct model *c = load(scratch("back"), 0);
        assert_int_equal(model_n_weights(c), model_n_weights(b));
        assert_string_equal(model_config(c)->arch->model_type, model_config(a)->arch->model_type);
        assert_same_weights(c, a);
        assert_int_equal(model_config(c)->mtp, 0);
        model_free(c);
        model_free(b);
        model_free(a);
    }
}

static void the_newer_form_of_latent_attention_is_read(void **state)
{
    (void)state;
    struct model *a = load(golden_path("deepseek_v3_further", ""), 0);
    struct model *b = load("tests/golden/gguf/deepseek_v3_further.gguf", 0);
    const struct model_config *x = model_config(a), *y = model_config(b);
    assert_same_weights(b, a);
    assert_ptr_equal(x->arch, y->arch);
    assert_true(y->mtp == 0 && x->groups == y->groups && x->top_groups == y->top_groups);
    assert_true(x->nope_dim == y->nope_dim && x->value_dim == y->value_dim && x->head_dim == y->head_dim);
    assert_true(x->dense_first == y->dense_first && x->shared == y->shared && y->interleaved);
    assert_true(json_equal(x->rope_scaling, y->rope_scaling));
    assert_true(a->layers->attn.scale == b->layers->attn.scale);
    model_free(b);
    model_free(a);
}

/* parts-*.gguf, copied so that some may be missing. */
static void copy_parts(const char *name, int n)
{
    for (int i = 1; i <= n; i++) {
        char from[80], to[80], *bytes;
        size_t size;
        struct err e = {0};
        snprintf(from, sizeof from, "tests/golden/gguf/parts-%05d-of-00003.gguf", i);
        snprintf(to, sizeof to, "%s-%05d-of-00003.gguf", name, i);
        if (file_read(from, 1 << 20, &bytes, &size, &e)) fail_msg("%s", e.msg);
        if (file_write(scratch(to), bytes, size, &e)) fail_msg("%s", e.msg);
        free(bytes);
    }
}

static void a_file_in_parts_is_one_model(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *a = load(golden_path("mixtral_all", ""), 0);
    for (int k = 0; k < 2; k++) {
        struct model *b = load("tests/golden/gguf/parts-00001-of-00003.gguf", k ? MODEL_IN_PLACE : 0);
        assert_int_equal(model_n_weights(b), model_n_weights(a));
        assert_same_weights(b, a);
        model_free(b);
    }
    model_free(a);
    assert_null(model_load("tests/golden/gguf/parts-00002-of-00003.gguf", 0, 0, &e));
    assert_non_null(strstr(e.msg, "give the first part"));
    copy_parts("few", 2);
    e = (struct err){0};
    assert_null(model_load(scratch("few-00001-of-00003.gguf"), 0, 0, &e));
    assert_non_null(strstr(e.msg, "few-00003-of-00003.gguf"));
    copy_parts("other", 3);
    e = (struct err){0};
    if (rename(scratch("other-00002-of-00003.gguf"), scratch("other-00003-of-00003.gguf"))) fail();
    copy_parts("other", 1);
    if (file_write(scratch("other-00002-of-00003.gguf"), "GGU", 3, &e)) fail_msg("%s", e.msg);
    assert_null(model_load(scratch("other-00001-of-00003.gguf"), 0, 0, &e));
    assert_non_null(strstr(e.msg, "other-00002-of-00003.gguf: is no GGUF file"));
    copy_parts("other", 2);
    e = (struct err){0};
    assert_null(model_load(scratch("other-00001-of-00003.gguf"), 0, 0, &e));
    assert_non_null(strstr(e.msg, "where part 3 is expected"));
}

/* ---- types --------------------------------------------------------------------------------------------- */

static const char wide[] =
    "{\"model_type\":\"deepseek_v3\",\"vocab_size\":64,\"hidden_size\":256,\"num_hidden_layers\":9,"
    "\"num_attention_heads\":2,\"num_key_value_heads\":2,\"intermediate_size\":256,\"q_lora_rank\":256,"
    "\"kv_lora_rank\":256,\"qk_nope_head_dim\":32,\"qk_rope_head_dim\":32,\"v_head_dim\":64,"
    "\"n_routed_experts\":4,\"n_group\":2,\"topk_group\":1,\"num_experts_per_tok\":2,"
    "\"moe_intermediate_size\":256,\"first_k_dense_replace\":1,\"n_shared_experts\":1}";

static struct model *wide_model(int flags)
{
    struct err e = {0};
    if (file_mkdirs(scratch("wide"), &e)) fail_msg("%s", e.msg);
    if (file_write(scratch("wide/config.json"), wide, sizeof wide - 1, &e)) fail_msg("%s", e.msg);
    return load(scratch("wide"), MODEL_RANDOM | flags);
}

static void assert_type(const struct tensor_file *f, const char *name, const char *type)
{
    const struct tensor_info *t = tensor_file_find(f, name);
    if (!t || strcmp(dtype_name(t->dtype), type))
        fail_msg("%s is %s", name, t ? dtype_name(t->dtype) : "not there");
}

static void experts_of_unequal_types_are_the_same_in_place(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"blk.1.ffn_gate_exps.weight", "Q4_K"}, {"blk.1.ffn_down_exps.weight", "Q4_K"},
        {"blk.3.ffn_down_exps.weight", "Q6_K"}, {"blk.3.ffn_up_exps.weight", "Q4_K"},
        {"blk.3.ffn_gate_inp.weight", "F32"},   {"blk.3.exp_probs_b.bias", "F32"},
        {"blk.3.attn_k_b.weight", "Q8_0"},      {"blk.3.attn_v_b.weight", "Q6_K"},
        {"blk.1.attn_k_b.weight", "Q5_0"},      {"output.weight", "Q6_K"}};
    struct err e = {0};
    struct model *a = wide_model(MODEL_IN_PLACE);
    static const char *const formats[] = {"q4_k_m", "q8_0", "bf16"};
    for (int k = 0; k < 3; k++) {
        if (model_save_gguf(a, scratch("m.gguf"), formats[k], &e)) fail_msg("%s", e.msg);
        struct model *b = load(scratch("m.gguf"), 0), *c = load(scratch("m.gguf"), MODEL_IN_PLACE);
        assert_same_weights(c, b);
        struct tensor_file *f = tensor_file_open(scratch("m.gguf"), &e);
        for (size_t i = 0; i < sizeof want / sizeof *want && k == 0; i++)
            assert_type(f, want[i][0], want[i][1]);
        tensor_file_close(f);
        model_free(c);
        model_free(b);
    }
    model_free(a);
}

/* ---- published models ---------------------------------------------------------------------------------- */

/* GGUF files of R1 have 1025 tensors with kv_b whole, one more a layer with kv_b in two. */
static void r1_has_the_tensors_of_its_published_files(void **state)
{
    (void)state;
    static const struct gguf_format f = {"q8_0", 7, DT_Q8_0, GGUF_ONE_TYPE};
    struct model *m = load(golden_path("deepseek_r1", "config.json"), MODEL_NO_WEIGHTS);
    int n, experts = 0;
    int64_t numbers = 0;
    struct tensor_out *t = gguf_tensors(m, &f, &n);
    for (int i = 0; i < n; i++) {
        numbers += (int64_t)t[i].source.n;
        assert_int_equal(shape_count(t[i].shape, t[i].n_dims), (int64_t)t[i].source.n);
        experts += strstr(t[i].name, "_exps.") != NULL;
        if (!strcmp(t[i].name, "blk.60.attn_k_b.weight"))
            assert_true(t[i].shape[0] == 128 && t[i].shape[1] == 512 && t[i].shape[2] == 128);
        if (!strcmp(t[i].name, "blk.3.ffn_down_exps.weight"))
            assert_true(t[i].shape[0] == 256 && t[i].shape[1] == 7168 && t[i].shape[2] == 2048);
        free((char *)t[i].name);
    }
    assert_int_equal(n, 1025 + 61);
    assert_int_equal(experts, 3 * 58);
    assert_true(numbers == 671026419200 && model_config(m)->mtp == 1);
    free(t);
    model_free(m);
}

/* ---- what cannot be, and what is broken ---------------------------------------------------------------- */

static void what_gguf_cannot_say_of_a_mixture_is_an_error(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"deepseek_v3_whole_q", "rope_interleave"},
                                           {"deepseek_v3_odd", "truncate"},
                                           {"qwen3_moe_mixed", "decoder_sparse_step"},
                                           {"qwen3_moe_window", "norm_topk_prob"},
                                           {"mixtral_window", "sliding window"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        struct model *m = load(golden_path(cases[i][0], ""), 0);
        assert_int_equal(model_save_gguf(m, scratch("no.gguf"), "f32", &e), -1);
        if (!strstr(e.msg, cases[i][1]) || !strstr(e.msg, "GGUF")) fail_msg("%s: %s", cases[i][0], e.msg);
        assert_false(file_exists(scratch("no.gguf")));
        model_free(m);
    }
}

/* Loads what the bytes say, and must give a model or a reason. */
static bool read_model(const char *bytes, size_t n, struct err *e)
{
    if (file_write(scratch("broken.gguf"), bytes, n, e)) fail_msg("%s", e->msg);
    struct model *m = model_load(scratch("broken.gguf"), MODEL_IN_PLACE, 0, e);
    model_free(m);
    return m != NULL;
}

static void broken_files_with_experts_give_a_reason(void **state)
{
    (void)state;
    static const char *const files[] = {"mixtral_all", "deepseek_v3_further", "deepseek_v2_lite"};
    for (int k = 0; k < 3; k++) {
        char path[64], *bytes;
        size_t n;
        struct err e = {0};
        snprintf(path, sizeof path, "tests/golden/gguf/%s.gguf", files[k]);
        if (file_read(path, 1 << 20, &bytes, &n, &e)) fail_msg("%s", e.msg);
        for (size_t cut = 64; cut < n; cut += 997) {
            e = (struct err){0};
            assert_false(read_model(bytes, cut, &e));
            assert_true(e.msg[0]);
        }
        for (size_t i = 24; i < 4096 && i < n; i += 13) { /* metadata and tensor infos */
            char old = bytes[i];
            e = (struct err){0};
            bytes[i] = (char)(old ^ (i % 2 ? 0x41 : 0x80));
            if (read_model(bytes, n, &e) == (e.kind != ERR_NONE))
                fail_msg("%s, byte %zu: %s", files[k], i, e.msg);
            bytes[i] = old;
        }
        free(bytes);
    }
}

static void experts_of_another_number_or_a_missing_half_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *file, *from, *to, *says;
    } cases[] = {{"mixtral_all", "ffn_up_exps", "ffn_xx_exps", "ffn_up_exps.weight is missing"},
                 {"deepseek_v3_further", "attn_k_b", "attn_x_b", "attn_k_b.weight is missing"},
                 {"deepseek_v3_further", "attn_v_b", "attn_x_b", "attn_v_b.weight is missing"},
                 {"deepseek_v2_lite", "attn_kv_b", "attn_xx_b", "attn_kv_b.weight is missing"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64], *bytes;
        size_t n, length = strlen(cases[i].from);
        struct err e = {0};
        snprintf(path, sizeof path, "tests/golden/gguf/%s.gguf", cases[i].file);
        if (file_read(path, 1 << 20, &bytes, &n, &e)) fail_msg("%s", e.msg);
        for (char *p = bytes; (p = memmem(p, n - (size_t)(p - bytes), cases[i].from, length));)
            memcpy(p, cases[i].to, length);
        bool read = read_model(bytes, n, &e);
        if (cases[i].says && (read || !strstr(e.msg, cases[i].says)))
            fail_msg("%s: %s", cases[i].from, e.msg);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_comes_back_whole_from_gguf),
        cmocka_unit_test(the_newer_form_of_latent_attention_is_read),
        cmocka_unit_test(a_file_in_parts_is_one_model),
        cmocka_unit_test(experts_of_unequal_types_are_the_same_in_place),
        cmocka_unit_test(r1_has_the_tensors_of_its_published_files),
        cmocka_unit_test(what_gguf_cannot_say_of_a_mixture_is_an_error),
        cmocka_unit_test(broken_files_with_experts_give_a_reason),
        cmocka_unit_test(experts_of_another_number_or_a_missing_half_are_named),
    };
    return cmocka_run_group_tests(tests, scratch_pool_make, scratch_pool_remove);
}
