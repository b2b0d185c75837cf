/* Matrices of 8-bit floats: every byte means what the format says, blocks have their scales also where they
 * are cut short, a checkpoint written so is read again, and broken scales are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/scratch.h"
#include "model/golden_model.h"
#include "model/model_int.h"

static void bytes_mean_what_e4m3_says(void **state)
{
    (void)state;
    static const struct {
        uint8_t byte;
        float value;
    } known[] = {{0x00, 0},  {0x01, 0x1p-9F}, {0x07, 7 * 0x1p-9F}, {0x08, 0x1p-6F},
                 {0x38, 1},  {0x3C, 1.5F},    {0x7E, 448},         {0xFE, -448},
                 {0xB8, -1}, {0x77, 240},     {0x81, -0x1p-9F}};
    float y;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        fp8_decode(&known[i].byte, 1, &y);
        assert_true(y == known[i].value);
    }
    fp8_decode((const uint8_t[]){0x7F}, 1, &y);
    assert_true(isnan(y));
}

/* Every finite byte comes back; between two neighbours the nearer one is taken, of two the even one. */
static void numbers_become_the_nearest_byte(void **state)
{
    (void)state;
    const float one = 1;
    float value[127];
    uint8_t byte;
    for (int b = 0; b < 127; b++) {
        fp8_decode(&(uint8_t){(uint8_t)b}, 1, &value[b]);
        fp8_encode(&value[b], 0, 1, 1, &one, &byte);
        assert_int_equal(byte, b);
        fp8_encode(&(float){-value[b]}, 0, 1, 1, &one, &byte);
        assert_int_equal(byte, b | 0x80);
    }
    for (int b = 0; b + 1 < 127; b++) {
        float middle = (value[b] + value[b + 1]) / 2;
        const float x[3] = {nextafterf(middle, 0), middle, nextafterf(middle, 1000)};
        const int want[3] = {b, b % 2 ? b + 1 : b, b + 1};
        for (int i = 0; i < 3; i++) {
            fp8_encode(&x[i], 0, 1, 1, &one, &byte);
            assert_int_equal(byte, want[i]);
        }
    }
}

static void check(const char *name, struct model *m, struct model *again)
{
    const struct weight *a = model_find(m, name), *b = model_find(again, name);
    bool held = fp8_holds(m, (int)(a - m->weights));
    for (int i = 0; i < a->rows * a->cols; i++) {
        float most = 0;
        int r = i / a->cols, c = i % a->cols;
        for (int k = r / 128 * 128; k < a->rows && k < r / 128 * 128 + 128; k++)
            for (int j = c / 128 * 128; j < a->cols && j < c / 128 * 128 + 128; j++)
                most = fmaxf(most, fabsf(a->data[k * a->cols + j]));
        /* Half a unit of three bits of fraction, or of the smallest number at the block's scale. */
        float bound = held ? fmaxf(fabsf(a->data[i]) / 16, most / 448 * 0x1p-10F) : fabsf(a->data[i]) / 256;
        if (!(fabsf(a->data[i] - b->data[i]) <= bound * 1.001F))
            fail_msg("%s[%d]: %g became %g", name, i, (double)a->data[i], (double)b->data[i]);
    }
}

/* Some matrices here have more than 128 rows or columns, and none a multiple. */
static void a_checkpoint_comes_back_within_its_precision(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\":\"deepseek_v3\",\"vocab_size\":11,\"hidden_size\":150,\"num_hidden_layers\":1,"
        "\"first_k_dense_replace\":0,\"num_attention_heads\":2,\"intermediate_size\":7,\"q_lora_rank\":5,"
        "\"kv_lora_rank\":130,\"qk_nope_head_dim\":70,\"qk_rope_head_dim\":2,\"v_head_dim\":70,"
        "\"n_routed_experts\":4,\"n_group\":1,\"topk_group\":1,\"num_experts_per_tok\":2,"
        "\"moe_intermediate_size\":9,\"n_shared_experts\":1,\"num_nextn_predict_layers\":1}";
    struct err e = {0};
    assert_int_equal(file_mkdirs(scratch("from"), &e), 0);
    assert_int_equal(file_write(scratch("from/config.json"), config, strlen(config), &e), 0);
    struct model *m = model_load(scratch("from"), MODEL_RANDOM, 4, &e);
    assert_non_null(m);
    if (model_save(m, scratch("to"), "fp8", NULL, &e)) fail_msg("%s", e.msg);
    struct model *again = model_load(scratch("to"), 0, 0, &e), *kept = NULL;
    if (!again) fail_msg("%s", e.msg);
    assert_int_equal(model_config(again)->mtp, 1);
    for (int i = 0; i < model_n_weights(m); i++) check(model_weight(m, i)->name, m, again);
    struct tensor_file *f = tensor_file_open(scratch("to"), &e);
    assert_int_equal(tensor_file_find(f, "model.layers.0.self_attn.kv_b_proj.weight")->dtype, DT_F8_E4M3);
    assert_int_equal(tensor_file_find(f, "model.layers.0.mlp.gate.weight")->dtype, DT_BF16);
    assert_int_equal(tensor_file_find(f, "model.layers.1.shared_head.head.weight")->dtype, DT_BF16);
    const struct tensor_info *s =
        tensor_file_find(f, "model.layers.0.self_attn.kv_a_proj_with_mqa.weight_scale_inv");
    assert_true(s && s->shape[0] == 2 && s->shape[1] == 2);
    tensor_file_close(f);
    /* Once rounded, nothing more is lost: kept as it is, or left in its file. */
    if (model_save(again, scratch("kept"), "auto", NULL, &e)) fail_msg("%s", e.msg);
    kept = model_load(scratch("kept"), 0, 0, &e);
    struct model *in_place = model_load(scratch("to"), MODEL_IN_PLACE, 0, &e);
    assert_true(kept && in_place);
    for (int i = 0; i < model_n_weights(again); i++) {
        const struct weight *w = model_weight(again, i), *k = model_weight(kept, i);
        size_t n = (size_t)w->rows * (size_t)w->cols;
        float *rows = alloc_floats(n);
        weight_rows(model_weight(in_place, i), 0, w->rows, rows);
        assert_memory_equal(w->data, rows, n * sizeof *rows);
        for (size_t j = 0; j < n; j++)
            assert_true(fabsf(w->data[j] - k->data[j]) <= fabsf(w->data[j]) * 1e-6F);
        free(rows);
    }
    model_free(m);
    model_free(again);
    model_free(kept);
    model_free(in_place);
}

static void scales_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const char header[] =
        "{\"a.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,130],\"data_offsets\":[4,264]},"
        "\"a.weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}}";
    uint8_t bytes[1024] = {0};
    struct err e = {0};
    size_t n = strlen(header);
    bytes[0] = (uint8_t)n, bytes[1] = (uint8_t)(n >> 8);
    memcpy(bytes + 8, header, n);
    assert_null(tensor_file_from_bytes(bytes, 8 + n + 264, "x", &e));
    assert_non_null(strstr(e.msg, "a.weight_scale_inv must be F32 [1,2]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_mean_what_e4m3_says),
        cmocka_unit_test(numbers_become_the_nearest_byte),
        cmocka_unit_test(a_checkpoint_comes_back_within_its_precision),
        cmocka_unit_test(scales_of_another_shape_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
