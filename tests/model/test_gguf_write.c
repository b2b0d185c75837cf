/* test_gguf_write.c: a model written as GGUF and read again is the same model: weights, sizes, scaling,
 * tokenizer; quantised, it is the same whether it stays in its file or not; and what GGUF cannot say is an
 * error that leaves no file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/scratch_pool.h"
#include "model/golden_model.h"
#include "model/model_int.h"
#include "text/text.h"

static struct model *load(const char *path, int flags)
{
    struct err e = {0};
    struct model *m = model_load(path, flags, 11, &e);
    if (!m) fail_msg("%s", e.msg);
    return m;
}

static struct model *written(struct model *m, const char *format, int flags)
{
    struct err e = {0};
    if (model_save_gguf(m, scratch("m.gguf"), format, &e)) fail_msg("%s", e.msg);
    return load(scratch("m.gguf"), flags);
}

static void assert_same_weights(struct model *a, struct model *b, const char *what)
{
    char x[65], y[65];
    model_hash(a, x);
    model_hash(b, y);
    if (strcmp(x, y)) fail_msg("%s: weights differ", what);
}

/* The same numbers; norms that are stored less one come back rounded. */
static void assert_near_weights(struct model *a, struct model *b, const char *what)
{
    for (int i = 0; i < model_n_weights(a); i++) {
        const struct weight *x = model_weight(a, i), *y = model_weight(b, i);
        float *row[2] = {alloc_floats((size_t)x->cols), alloc_floats((size_t)x->cols)};
        for (int r = 0; r < x->rows; r++) {
            weight_rows(x, r, 1, row[0]);
            weight_rows(y, r, 1, row[1]);
            for (int j = 0; j < x->cols; j++)
                if (fabsf(row[0][j] - row[1][j]) > (x->plus_one ? 1.2e-7F : 0))
                    fail_msg("%s: %s", what, x->name);
        }
        free(row[0]);
        free(row[1]);
    }
}

static void check_round_trip(struct model *a, const char *what)
{
    struct err e = {0};
    struct model *b = load(scratch("m.gguf"), 0), *in_place = load(scratch("m.gguf"), MODEL_IN_PLACE);
    const struct model_config *x = model_config(a), *y = model_config(b);
    assert_near_weights(a, b, what);
    assert_string_equal(x->arch->gguf, y->arch->gguf);
    assert_true(x->vocab == y->vocab && x->hidden == y->hidden && x->layers == y->layers);
    assert_true(x->heads == y->heads && x->kv_heads == y->kv_heads && x->head_dim == y->head_dim);
    assert_true(x->intermediate == y->intermediate && x->max_positions == y->max_positions);
    assert_true(x->rms_eps == y->rms_eps && x->rope_theta == y->rope_theta && x->tied == y->tied);
    assert_true(x->window == y->window && x->q_rank == y->q_rank && x->kv_rank == y->kv_rank);
    assert_true(x->nope_dim == y->nope_dim && x->rope_dim == y->rope_dim && x->value_dim == y->value_dim);
    assert_true(x->experts == y->experts && x->top_k == y->top_k && x->shared == y->shared);
    assert_true(x->experts == 0 || (x->groups == y->groups && x->top_groups == y->top_groups));
    assert_true(x->gate_scale == y->gate_scale && x->normalise_gates == y->normalise_gates);
    assert_true(fabsf(a->layers->attn.scale - b->layers->attn.scale) <= 1e-6F * a->layers->attn.scale);
    assert_true(fabsf(a->rope.attn_factor - b->rope.attn_factor) <= 1e-6F);
    for (int i = 0; i < x->rope_dim / 2; i++)
        assert_true(fabs(a->rope.inv_freq[i] - b->rope.inv_freq[i]) <= 1e-6 * a->rope.inv_freq[i]);
    /* and once more, from rows that are permuted and stay in their file */
    if (model_save_gguf(in_place, scratch("again.gguf"), "auto", &e)) fail_msg("%s", e.msg);
    struct model *again = load(scratch("again.gguf"), 0);
    assert_same_weights(b, again, what);
    model_free(again);
    model_free(in_place);
    model_free(b);
}

static void float32_comes_back_whole_or_is_refused(void **state)
{
    (void)state;
    int written = 0;
    for (int k = 0; golden_names[k]; k++) {
        struct err e = {0};
        struct model *a = load(golden_path(golden_names[k], ""), MODEL_IN_PLACE);
        if (!model_save_gguf(a, scratch("m.gguf"), "f32", &e)) {
            check_round_trip(a, golden_names[k]);
            written++;
        } else if (!strstr(e.msg, "GGUF")) {
            fail_msg("%s: %s", golden_names[k], e.msg);
        }
        model_free(a);
    }
    assert_true(written >= 12);
}

/* A model wide enough for blocks of 256, deep enough for the mix. */
static void write_config(void)
{
    static const char text[] =
        "{\"model_type\":\"llama\",\"vocab_size\":300,\"hidden_size\":256,\"num_hidden_layers\":9,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"intermediate_size\":288}";
    struct err e = {0};
    if (file_mkdirs(scratch("wide"), &e)) fail_msg("%s", e.msg);
    if (file_write(scratch("wide/config.json"), text, sizeof text - 1, &e)) fail_msg("%s", e.msg);
}

static const char *type_in_file(const char *name)
{
    static char type[16];
    struct err e = {0};
    struct tensor_file *f = tensor_file_open(scratch("m.gguf"), &e);
    if (!f) fail_msg("%s", e.msg);
    const struct tensor_info *t = tensor_file_find(f, name);
    snprintf(type, sizeof type, "%s", t ? dtype_name(t->dtype) : "none");
    tensor_file_close(f);
    return type;
}

static void the_mix_of_q4_k_m_is_that_of_llama_cpp(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"token_embd.weight", "Q4_K"},     {"output.weight", "Q6_K"},        {"output_norm.weight", "F32"},
        {"blk.0.attn_q.weight", "Q4_K"},   {"blk.0.attn_v.weight", "Q6_K"},  {"blk.1.attn_v.weight", "Q4_K"},
        {"blk.2.attn_v.weight", "Q4_K"},   {"blk.3.attn_v.weight", "Q6_K"},  {"blk.7.attn_v.weight", "Q6_K"},
        {"blk.0.ffn_down.weight", "Q8_0"}, /* rows of 288 */
        {"blk.1.ffn_down.weight", "Q5_0"}, {"blk.1.ffn_gate.weight", "Q4_K"}};
    write_config();
    struct model *a = load(scratch("wide"), MODEL_RANDOM | MODEL_IN_PLACE), *b = written(a, "q4_k_m", 0);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (strcmp(type_in_file(want[i][0]), want[i][1]))
            fail_msg("%s is %s, not %s", want[i][0], type_in_file(want[i][0]), want[i][1]);
    model_free(b);
    model_free(a);
}

static void quantised_weights_stay_near_and_are_the_same_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        double error; /* of the root mean square */
    } formats[] = {{"bf16", 0.0025}, {"f16", 0.0005}, {"q8_0", 0.01}, {"q4_k_m", 0.09}};
    write_config();
    struct model *a = load(scratch("wide"), MODEL_RANDOM);
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        struct model *b = written(a, formats[k].format, 0), *c = load(scratch("m.gguf"), MODEL_IN_PLACE);
        assert_same_weights(b, c, formats[k].format);
        for (int i = 0; i < model_n_weights(a); i++) {
            const struct weight *x = model_weight(a, i), *y = model_weight(b, i);
            double error = 0, size = 0;
            for (size_t j = 0; j < (size_t)x->rows * (size_t)x->cols; j++) {
                double off = (double)x->data[j] - (double)y->data[j];
                error += off * off;
                size += (double)x->data[j] * (double)x->data[j];
            }
            if (sqrt(error) > formats[k].error * sqrt(size))
                fail_msg("%s as %s: %g", x->name, formats[k].format, sqrt(error / size));
        }
        model_free(c);
        model_free(b);
    }
    model_free(a);
}

/* ---- tokenizers ---------------------------------------------------------------------------------------- */

static void assert_same_ids(const struct tokenizer *a, const struct tokenizer *b, const char *text)
{
    struct ids x = {0}, y = {0};
    struct err e = {0};
    assert_int_equal(tokenizer_encode(a, text, strlen(text), TOK_SPECIAL, &x, &e), 0);
    assert_int_equal(tokenizer_encode(b, text, strlen(text), TOK_SPECIAL, &y, &e), 0);
    if (x.n != y.n || (x.n && memcmp(x.p, y.p, x.n * sizeof *x.p))) fail_msg("\"%s\" has other ids", text);
    ids_release(&x);
    ids_release(&y);
}

/* The model at `path`, or the tokenizer of a file alone, given weights of its own. */
static void check_tokenizer(const char *path)
{
    static const char *const texts[] = {
        "", "hello world", " Once upon a time, there was\n\n 12345  caf\xc3\xa9", "<|end|><s>x</s><|im_end|>",
        "\xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80\t\x01"};
    struct model *a = load(path, 0), *b = written(a, "f16", MODEL_NO_WEIGHTS);
    const struct tokenizer *t = model_tokenizer(a), *u = model_tokenizer(b);
    assert_non_null(t);
    assert_non_null(u);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_same_ids(t, u, texts[i]);
    assert_true(tokenizer_bos(t) == tokenizer_bos(u) && tokenizer_eos(t) == tokenizer_eos(u));
    assert_int_equal(tokenizer_size(u), model_config(b)->vocab);
    const char *x = tokenizer_template(t), *y = tokenizer_template(u);
    assert_true(x == y || !strcmp(x, y));
    model_free(b);
    model_free(a);
}

static void tokenizers_come_back_whole(void **state)
{
    (void)state;
    static const char *const paths[] = {"../shared/data/models/stories260K/stories260K.bin",
                                        "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"};
    for (int i = 0; i < 2; i++) {
        if (file_exists(paths[i]))
            check_tokenizer(paths[i]);
        else
            print_message("skipped: no %s\n", paths[i]);
    }
}

static void what_cannot_be_said_is_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    struct model *m = load(golden_path("llama_plain", ""), 0);
    assert_int_equal(model_save_gguf(m, scratch("no.gguf"), "q3_k", &e), -1);
    assert_int_equal(e.kind, ERR_USAGE);
    model_weight(m, 3)->data[5] = NAN;
    e = (struct err){0};
    assert_int_equal(model_save_gguf(m, scratch("no.gguf"), "q8_0", &e), -1);
    assert_non_null(strstr(e.msg, "NaN"));
    model_weight(m, 3)->data[5] = 1e6F;
    assert_int_equal(model_save_gguf(m, scratch("no.gguf"), "f16", &e), -1);
    assert_non_null(strstr(e.msg, "F16"));
    assert_false(file_exists(scratch("no.gguf")));
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float32_comes_back_whole_or_is_refused),
        cmocka_unit_test(the_mix_of_q4_k_m_is_that_of_llama_cpp),
        cmocka_unit_test(quantised_weights_stay_near_and_are_the_same_in_place),
        cmocka_unit_test(tokenizers_come_back_whole),
        cmocka_unit_test(what_cannot_be_said_is_an_error),
    };
    return cmocka_run_group_tests(tests, scratch_pool_make, scratch_pool_remove);
}
