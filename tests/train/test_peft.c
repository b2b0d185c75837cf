/* test_peft.c: training with adapters: the loss falls, the base model's file and weights stay as they are, a
 * run resumed from any checkpoint and on any number of threads ends in the same bits, what is sampled equals
 * what is trained, and the reference of GRPO is the model that training began from.
 */
#include "tiny.h"

#include <math.h>

#include "base/hash.h"
#include "base/pool.h"
#include "model/model.h"

#define LEARN "save_strategy no learning_rate 1e-2 "
#define BASE  "model_name_or_path @begun/model dataset_name @data.jsonl "
#define LORA  BASE "use_peft true lora_r 4 lora_alpha 16 lora_target_modules all-linear "

/* A base model that has learned a little. */
static int setup(void **state)
{
    if (tiny_setup(state)) return -1;
    json_decref(tiny_run("sft", "model_name_or_path @base from_scratch true dataset_name @data.jsonl "
                                "output_dir @begun " LEARN "max_steps 10 per_device_train_batch_size 8"));
    return 0;
}

static void file_hash(const char *name, char hex[65])
{
    struct err e = {0};
    char *path = tiny_path(name);
    if (hash_file(path, hex, &e)) fail_msg("%s", e.msg);
    free(path);
}

static struct model *load(const char *name)
{
    struct err e = {0};
    char *path = tiny_path(name);
    struct model *m = model_load(path, 0, 0, &e);
    if (!m) fail_msg("%s", e.msg);
    free(path);
    return m;
}

static void adapters_learn_and_the_base_stays_as_it_is(void **state)
{
    (void)state;
    char before[65], after[65], base[65], switched_off[65];
    file_hash("begun/model/model.safetensors", before);
    json_decref(tiny_run("sft", LORA LEARN "output_dir @learn num_train_epochs 60 lora_dropout 0.1 "
                                           "per_device_train_batch_size 20 lora_modules_to_save norm"));
    json_t *metrics = tiny_metrics("learn");
    size_t n = json_array_size(metrics);
    assert_true(tiny_metric(metrics, n - 1, "loss") < 0.8 * tiny_metric(metrics, 0, "loss"));
    json_decref(metrics);
    file_hash("begun/model/model.safetensors", after);
    assert_string_equal(before, after);
    char *whole = tiny_path("learn/model/model.safetensors");
    assert_false(file_exists(whole));
    free(whole);
    struct model *plain = load("begun/model"), *adapted = load("learn/model");
    assert_true(model_is_adapted(adapted));
    for (int i = 0; i < model_n_weights(plain); i++) {
        const struct weight *a = model_weight(plain, i), *b = model_weight(adapted, i);
        assert_memory_equal(a->data, b->data, (size_t)a->rows * (size_t)a->cols * sizeof *a->data);
    }
    model_hash(plain, base);
    model_hash(adapted, switched_off);
    assert_string_not_equal(base, switched_off);
    model_free(plain);
    model_free(adapted);
}

#define FEW                                                                                                  \
    LORA "output_dir @few learning_rate 1e-2 max_steps 9 save_steps 4 lora_dropout 0.2 "                     \
         "per_device_train_batch_size 6 gradient_accumulation_steps 2 lora_modules_to_save embed_tokens "

static void threads_and_checkpoints_change_no_bit(void **state)
{
    (void)state;
    char whole[65], again[65];
    tiny_hash("sft", FEW "overwrite_output_dir true", whole);
    for (int threads = 1; threads <= 3; threads++) {
        pool_stop();
        pool_start(threads);
        tiny_hash("sft", FEW "overwrite_output_dir true", again);
        assert_string_equal(whole, again);
    }
    tiny_hash("sft", FEW "overwrite_output_dir true gradient_checkpointing true", again);
    assert_string_equal(whole, again);
    for (int step = 4; step <= 8; step += 4) {
        char words[640];
        tiny_hash("sft", FEW "overwrite_output_dir true", again);
        snprintf(words, sizeof words, FEW "resume_from_checkpoint @few/checkpoint-%d", step);
        tiny_hash("sft", words, again);
        assert_string_equal(whole, again);
    }
    tiny_hash("sft", FEW "overwrite_output_dir true disable_dropout true", again);
    assert_string_not_equal(whole, again);
    tiny_hash("sft", FEW "overwrite_output_dir true seed 5", again);
    assert_string_not_equal(whole, again);
}

#define GRPO                                                                                                 \
    LORA "reward_funcs exact num_generations 4 prompts_per_step 4 max_completion_length 5 temperature 0.9 "  \
         "beta 0.1 lora_dropout 0 learning_rate 1e-2 overwrite_output_dir true "

static void what_is_sampled_is_what_is_trained(void **state)
{
    (void)state;
    json_decref(tiny_run("grpo", GRPO "output_dir @grpo max_steps 5 save_steps 2"));
    json_t *metrics = tiny_metrics("grpo");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        assert_true(tiny_metric(metrics, i, "sampling/sampling_logp_difference/max") == 0);
        assert_true(tiny_metric(metrics, i, "ratio/max_deviation") == 0);
    }
    /* The reference is the base: equal before the first update, and not any more after it. */
    assert_true(tiny_metric(metrics, 0, "kl") == 0);
    assert_true(tiny_metric(metrics, 4, "kl") > 0);
    json_decref(metrics);
}

static void training_an_adapter_further_begins_where_it_was(void **state)
{
    (void)state;
    json_decref(tiny_run("sft", LORA LEARN "output_dir @first max_steps 60 lora_dropout 0"));
    json_decref(tiny_run("grpo",
                         "model_name_or_path @first/model dataset_name @data.jsonl output_dir @second "
                         "reward_funcs exact num_generations 4 prompts_per_step 4 beta 0.1 "
                         "max_completion_length 5 learning_rate 1e-2 max_steps 6 save_strategy no "
                         "overwrite_output_dir true"));
    json_t *metrics = tiny_metrics("second");
    assert_true(tiny_metric(metrics, 0, "kl") == 0);
    assert_true(tiny_metric(metrics, 5, "kl") > 0);
    json_decref(metrics);
    struct model *first = load("first/model"), *second = load("second/model");
    assert_int_equal(model_n_weights(first), model_n_weights(second));
    assert_int_equal(model_lora(second)->r, 4);
    model_free(first);
    model_free(second);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    const char *out = "output_dir @no max_steps 1 ";
    char words[640];
    static const struct {
        const char *words, *part;
    } cases[] = {
        {BASE "use_peft true lora_r 0", "lora_r"},
        {BASE "use_peft true lora_target_modules q_proj,query", "there are q_proj, k_proj, v_proj"},
        {BASE "use_peft true lora_target_parameters mlp.experts", "lora_target_parameters is not built"},
        {BASE "use_peft true lora_task_type SEQ_CLS", "CAUSAL_LM"},
        {BASE "use_peft true lora_modules_to_save score", "module to save 'score'"},
        {"model_name_or_path @base from_scratch true dataset_name @data.jsonl use_peft true",
         "openr1 init --random_weights bfloat16"},
        {"model_name_or_path @base from_scratch true dataset_name @data.jsonl use_peft true load_in_4bit "
         "true",
         "leave load_in_4bit out"},
        {"model_name_or_path @first/model dataset_name @data.jsonl use_peft true", "is an adapter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(words, sizeof words, "%s%s", out, cases[i].words);
        tiny_refused("sft", words, cases[i].part);
    }
    tiny_refused("grpo", GRPO "output_dir @no max_steps 1 sync_ref_model true", "sync_ref_model");
}

static void dora_learns(void **state)
{
    (void)state;
    json_decref(tiny_run("sft",
                         LORA LEARN "output_dir @dora num_train_epochs 60 use_dora true lora_dropout 0.05 "
                                    "per_device_train_batch_size 20"));
    json_t *metrics = tiny_metrics("dora");
    size_t n = json_array_size(metrics);
    assert_true(tiny_metric(metrics, n - 1, "loss") < 0.8 * tiny_metric(metrics, 0, "loss"));
    json_decref(metrics);
}

/* QLoRA: the same from a base of 4 or 8 bits, which a resumed run quantises to the same bits. */
static void adapters_learn_beside_a_base_of_few_bits(void **state)
{
    (void)state;
    static const char *const forms[] = {"load_in_4bit true use_bnb_nested_quant true",
                                        "load_in_4bit true bnb_4bit_quant_type fp4", "load_in_8bit true"};
    char words[640], whole[65], again[65];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(words, sizeof words,
                 LORA
                 "output_dir @few4 overwrite_output_dir true learning_rate 1e-2 max_steps 40 save_steps 20 "
                 "per_device_train_batch_size 20 lora_dropout 0 %s",
                 forms[i]);
        tiny_hash("sft", words, whole);
        json_t *metrics = tiny_metrics("few4");
        assert_true(tiny_metric(metrics, 39, "loss") < 0.9 * tiny_metric(metrics, 0, "loss"));
        json_decref(metrics);
        snprintf(words + strlen(words), sizeof words - strlen(words),
                 " resume_from_checkpoint @few4/checkpoint-20");
        tiny_hash("sft", words, again);
        assert_string_equal(whole, again);
    }
    tiny_refused("sft", BASE "output_dir @no load_in_4bit true", "use_peft: true");
    tiny_refused("sft", LORA "output_dir @no load_in_4bit true load_in_8bit true", "one of them");
    json_decref(tiny_run("grpo", GRPO "output_dir @grpo4 max_steps 3 save_strategy no load_in_4bit true"));
    json_t *metrics = tiny_metrics("grpo4");
    for (size_t i = 0; i < 3; i++)
        assert_true(tiny_metric(metrics, i, "sampling/sampling_logp_difference/max") == 0);
    json_decref(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_learn_and_the_base_stays_as_it_is),
        cmocka_unit_test(threads_and_checkpoints_change_no_bit),
        cmocka_unit_test(what_is_sampled_is_what_is_trained),
        cmocka_unit_test(training_an_adapter_further_begins_where_it_was),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(dora_learns),
        cmocka_unit_test(adapters_learn_beside_a_base_of_few_bits),
    };
    return cmocka_run_group_tests(tests, setup, tiny_teardown);
}
