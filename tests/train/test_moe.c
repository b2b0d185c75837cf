/* test_moe.c: training a mixture of experts: the keys for balance, corrections and prediction further ahead
 * do what they say, and nothing when they are off; a resumed run is the whole run; rollouts agree with
 * training.
 */
#include "tiny.h"

#include "model/model.h"

/* DIR/moe: a DeepSeek-V3 with one layer behind the last, over the characters of DIR/base. */
static int moe_setup(void **state)
{
    static const char *const specials[] = {"<eos>"};
    struct err e = {0};
    if (tiny_setup(state)) return -1;
    struct tokenizer *tok = tokenizer_chars("0123456789+-=", specials, 1, &e);
    char *dir = tiny_path("moe"), config[1536];
    if (!tok || file_mkdirs(dir, &e) || tokenizer_save(tok, dir, &e)) fail_msg("%s", e.msg);
    int eos = tokenizer_id(tok, "<eos>");
    snprintf(config, sizeof config,
             "{\"model_type\":\"deepseek_v3\",\"hidden_act\":\"silu\",\"vocab_size\":%d,\"hidden_size\":16,"
             "\"num_hidden_layers\":2,\"first_k_dense_replace\":1,\"num_attention_heads\":2,"
             "\"num_key_value_heads\":2,\"intermediate_size\":32,\"max_position_embeddings\":64,"
             "\"q_lora_rank\":8,\"kv_lora_rank\":8,\"qk_nope_head_dim\":4,\"qk_rope_head_dim\":4,"
             "\"v_head_dim\":4,\"n_routed_experts\":4,\"n_group\":2,\"topk_group\":1,"
             "\"num_experts_per_tok\":2,\"moe_intermediate_size\":8,\"n_shared_experts\":1,"
             "\"num_nextn_predict_layers\":1,\"initializer_range\":0.2,\"eos_token_id\":%d,"
             "\"pad_token_id\":%d}",
             tokenizer_size(tok), eos, eos);
    tiny_write("moe/config.json", config);
    tokenizer_free(tok);
    free(dir);
    return 0;
}

#define SFT                                                                                                  \
    "model_name_or_path @moe from_scratch true seed 5 dataset_name @data.jsonl learning_rate 1e-2 "          \
    "weight_decay 0.1 per_device_train_batch_size 5 max_steps 6 "
#define ALL "mtp_loss_weight 0.3 router_aux_loss_coef 0.01 moe_bias_update_speed 0.01 "

static struct model *load(const char *name, int flags)
{
    struct err e = {0};
    char *path = tiny_path(name);
    struct model *m = model_load(path, flags, 5, &e);
    if (!m) fail_msg("%s", e.msg);
    free(path);
    return m;
}

/* Does the run's final model differ from its beginning in this weight? */
static bool moved(const char *run, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/model", run);
    struct model *before = load("moe", MODEL_RANDOM), *after = load(path, 0);
    const struct weight *a = model_find(before, name), *b = model_find(after, name);
    if (!a || !b) fail_msg("no %s", name);
    bool result = memcmp(a->data, b->data, (size_t)a->rows * (size_t)a->cols * sizeof *a->data) != 0;
    model_free(before);
    model_free(after);
    return result;
}

static void what_is_not_asked_for_stays_as_it_is(void **state)
{
    (void)state;
    json_decref(tiny_run("sft", SFT "save_strategy no output_dir @plain"));
    assert_true(moved("plain", "model.layers.1.mlp.experts.0.up_proj.weight"));
    assert_true(moved("plain", "model.layers.1.mlp.gate.weight"));
    assert_false(moved("plain", "model.layers.1.mlp.gate.e_score_correction_bias"));
    assert_false(moved("plain", "model.layers.2.eh_proj.weight"));
    assert_false(moved("plain", "model.layers.2.self_attn.kv_b_proj.weight"));
}

static void what_is_asked_for_is_trained_and_told(void **state)
{
    (void)state;
    json_decref(tiny_run("sft", SFT ALL "save_strategy no output_dir @all"));
    assert_true(moved("all", "model.layers.1.mlp.gate.e_score_correction_bias"));
    assert_true(moved("all", "model.layers.2.mlp.gate.e_score_correction_bias"));
    assert_true(moved("all", "model.layers.2.eh_proj.weight"));
    json_t *log = tiny_metrics("all");
    assert_true(tiny_metric(log, 0, "mtp_loss") > 0.5);
    /* Two routers; 1 each when all is even, more when it is not. */
    assert_true(tiny_metric(log, 0, "aux_loss") > 1.9 && tiny_metric(log, 0, "aux_loss") < 8);
    json_decref(log);
}

static void a_resumed_run_is_the_whole_run(void **state)
{
    (void)state;
    char whole[65], resumed[65];
    tiny_hash("sft", SFT ALL "save_steps 2 output_dir @resume", whole);
    tiny_hash("sft", SFT ALL "save_steps 2 output_dir @resume resume_from_checkpoint @resume/checkpoint-4",
              resumed);
    assert_string_equal(whole, resumed);
}

static void checkpointing_changes_no_bit(void **state)
{
    (void)state;
    char plain[65], checkpointed[65];
    tiny_hash("sft", SFT ALL "save_strategy no output_dir @a gradient_checkpointing false", plain);
    tiny_hash("sft", SFT ALL "save_strategy no output_dir @b gradient_checkpointing true", checkpointed);
    assert_string_equal(plain, checkpointed);
}

/* grpo stops when a log-probability of its own rollout is not the one that training works out. */
static void rollouts_agree_with_training(void **state)
{
    (void)state;
    char one[65], two[65];
#define GRPO                                                                                                 \
    "model_name_or_path @moe from_scratch true seed 5 dataset_name @data.jsonl reward_funcs exact "          \
    "num_generations 4 prompts_per_step 2 max_completion_length 4 max_steps 2 learning_rate "                \
    "1e-2 router_aux_loss_coef 0.01 moe_bias_update_speed 0.01 save_strategy no "
    tiny_hash("grpo", GRPO "output_dir @g", one);
    tiny_hash("grpo", GRPO "output_dir @h", two);
    assert_string_equal(one, two);
}

/* What routers are asked for does not hang on rewards. */
static void groups_without_variance_balance_the_routers_too(void **state)
{
    (void)state;
    json_decref(tiny_run("grpo", GRPO "output_dir @flat max_steps 3 reward_funcs length reward_weights 0"));
    json_t *log = tiny_metrics("flat");
    for (size_t i = 0; i < 2; i++) {
        assert_true(tiny_metric(log, i, "frac_reward_zero_std") == 1);
        assert_true(tiny_metric(log, i, "aux_loss") > 1);
        assert_true(tiny_metric(log, i, "loss") > 0.01 && tiny_metric(log, i, "grad_norm") > 0);
    }
    assert_true(moved("flat", "model.layers.1.mlp.gate.e_score_correction_bias"));
    json_decref(log);
}

static void keys_without_their_model_are_refused(void **state)
{
    (void)state;
#define DENSE                                                                                                \
    "model_name_or_path @base from_scratch true dataset_name @data.jsonl output_dir @no max_steps 1 "
    tiny_refused("sft", DENSE "router_aux_loss_coef 0.1", "mixture of experts");
    tiny_refused("sft", DENSE "moe_bias_update_speed 0.1", "mixture of experts");
    tiny_refused("sft", DENSE "mtp_loss_weight 0.1", "predict further");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_asked_for_stays_as_it_is),
        cmocka_unit_test(what_is_asked_for_is_trained_and_told),
        cmocka_unit_test(a_resumed_run_is_the_whole_run),
        cmocka_unit_test(checkpointing_changes_no_bit),
        cmocka_unit_test(rollouts_agree_with_training),
        cmocka_unit_test(groups_without_variance_balance_the_routers_too),
        cmocka_unit_test(keys_without_their_model_are_refused),
    };
    return cmocka_run_group_tests(tests, moe_setup, tiny_teardown);
}
