/* test_weights_dtype.c: runs whose weights are bfloat16: what is saved is what was trained, in 16 bits; the
 * sampler and the trainer agree to the last bit; a reference that is mixed in small shares moves; they learn
 * as float32 does; adapters do not see a difference.
 */
#include "tiny.h"

#include <math.h>

#include "train/grpo_int.h"

#define SFT                                                                                                  \
    "dataset_name @data.jsonl overwrite_output_dir true learning_rate 1e-2 per_device_train_batch_size 10 "  \
    "gradient_accumulation_steps 2 logging_strategy no "
#define NEW  "model_name_or_path @base from_scratch true "
#define BF16 "weights_dtype bfloat16 "

static struct model *load(const char *name, int flags)
{
    struct err e = {0};
    char *path = tiny_path(name);
    struct model *m = model_load(path, flags, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    free(path);
    return m;
}

/* Loaded as float32, a folder of a run has these weights, all of which fit `type`. */
static void check_folder(const char *name, const char *hash, enum dtype type)
{
    struct err e = {0};
    char hex[65], *path = tiny_path(name);
    struct model *m = load(name, 0);
    struct tensor_file *f = tensor_file_open(path, &e);
    assert_non_null(f);
    model_hash(m, hex);
    if (strcmp(hex, hash) != 0) fail_msg("%s: other weights than those that were trained", name);
    for (int i = 0; i < tensor_file_count(f); i++) assert_int_equal(tensor_file_info(f, i)->dtype, type);
    tensor_file_close(f);
    model_free(m);
    free(path);
}

static void what_is_saved_is_what_was_trained(void **state)
{
    (void)state;
    char hash[65], wide[65], again[65];
    tiny_hash("sft", SFT NEW BF16 "output_dir @half max_steps 12 save_steps 8", hash);
    check_folder("half/model", hash, DT_BF16);
    check_folder("half/checkpoint-12", hash, DT_BF16);
    tiny_hash("sft", SFT NEW BF16 "output_dir @wide max_steps 12 save_dtype float32", wide);
    assert_string_equal(wide, hash);
    check_folder("wide/model", hash, DT_F32);
    tiny_hash("sft",
              SFT NEW BF16
              "output_dir @half max_steps 12 save_steps 8 resume_from_checkpoint @half/checkpoint-8",
              again);
    assert_string_equal(again, hash);
    tiny_hash("sft", SFT NEW "output_dir @whole max_steps 12", wide);
    assert_string_not_equal(wide, hash);
    check_folder("whole/model", wide, DT_F32);
}

static double last_losses(const char *words)
{
    double sum = 0;
    json_decref(tiny_run("sft", words));
    json_t *m = tiny_metrics("learn");
    size_t n = json_array_size(m);
    for (size_t i = n - 10; i < n; i++) sum += tiny_metric(m, i, "loss") / 10;
    json_decref(m);
    return sum;
}

static void every_optimiser_learns_as_it_does_in_float32(void **state)
{
    (void)state;
    static const char *const optims[] = {"adamw", "adamw_8bit", "adafactor", "muon"};
    for (int i = 0; i < 4; i++) {
        double losses[2];
        for (int k = 0; k < 2; k++) {
            char words[512];
            snprintf(words, sizeof words, SFT NEW "output_dir @learn max_steps 80 optim %s %s", optims[i],
                     k ? BF16 : "");
            losses[k] = last_losses(words);
        }
        double whole = losses[0], half = losses[1];
        if (!(whole < 1.2 && half < whole * 1.05)) fail_msg("%s: loss %g and %g", optims[i], whole, half);
    }
}

static void the_sampler_and_the_trainer_agree_to_the_last_bit(void **state)
{
    (void)state;
    json_decref(tiny_run("grpo", BF16
                         "model_name_or_path @half/model dataset_name @data.jsonl overwrite_output_dir true "
                         "output_dir @grpo learning_rate 1e-2 reward_funcs exact num_generations 4 "
                         "prompts_per_step 4 max_completion_length 5 beta 0.1 max_steps 6 "
                         "sync_ref_model true ref_model_sync_steps 2"));
    json_t *m = tiny_metrics("grpo");
    assert_int_equal(json_array_size(m), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(tiny_metric(m, i, "sampling/sampling_logp_difference/max") == 0);
        assert_true(tiny_metric(m, i, "ratio/max_deviation") == 0);
    }
    assert_true(tiny_metric(m, 0, "kl") == 0 && tiny_metric(m, 5, "kl") > 0);
    json_decref(m);
}

/* The base, written in 16 bits, is the same either way. */
static void adapters_see_no_difference(void **state)
{
    (void)state;
    char whole[65], half[65];
    json_decref(tiny_run("sft", SFT NEW "output_dir @begun max_steps 8 save_dtype bfloat16"));
#define LORA                                                                                                 \
    SFT "model_name_or_path @begun/model output_dir @lora use_peft true max_steps 6 "                        \
        "lora_target_modules all-linear lora_modules_to_save embed_tokens "
    tiny_hash("sft", LORA, whole);
    tiny_hash("sft", LORA BF16, half);
    assert_string_equal(whole, half);
    tiny_refused("sft", LORA BF16 "load_in_4bit true", "weights_dtype bfloat16 with load_in_4bit");
}

/* A share of 1/1000 of a difference of 1, when a last bit is worth 1/128. */
static void small_shares_move_the_reference(void **state)
{
    (void)state;
    enum { SYNCS = 200 };
    struct model *policy = load("begun/model", MODEL_BF16), *ref = model_copy(policy);
    struct weight *from = model_weight(policy, 0), *to = model_weight(ref, 0);
    size_t n = (size_t)to->rows * (size_t)to->cols;
    float *x = alloc_floats(n);
    for (size_t i = 0; i < n; i++) x[i] = 1;
    weight_set_rows(to, 0, to->rows, x);
    for (size_t i = 0; i < n; i++) x[i] = 2;
    weight_set_rows(from, 0, from->rows, x);
    const struct reference r = {.every = 1, .share = 0.001, .seed = 5};
    for (long step = 1; step <= SYNCS; step++) reference_sync(&r, ref, policy, step);
    double sum = 0, want = 1 - pow(0.999, SYNCS);
    weight_rows(to, 0, to->rows, x);
    for (size_t i = 0; i < n; i++) sum += (double)x[i] - 1;
    if (!(fabs(sum / (double)n - want) < want / 10))
        fail_msg("moved by %g, expected %g", sum / (double)n, want);
    free(x);
    model_free(policy);
    model_free(ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_what_was_trained),
        cmocka_unit_test(every_optimiser_learns_as_it_does_in_float32),
        cmocka_unit_test(the_sampler_and_the_trainer_agree_to_the_last_bit),
        cmocka_unit_test(adapters_see_no_difference),
        cmocka_unit_test(small_shares_move_the_reference),
    };
    return cmocka_run_group_tests(tests, tiny_setup, tiny_teardown);
}
