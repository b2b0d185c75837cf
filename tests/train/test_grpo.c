/* test_grpo.c: GRPO end to end on a tiny model: what must be exactly 1 or 0, what no split may change, what
 * is refused with the values that would work.
 */
#include "tiny.h"

#include <math.h>

/* From a model that has seen some sums, so that it is right now and then. */
#define DATA  "dataset_name @sums.jsonl reward_funcs exact max_completion_length 4 "
#define START "model_name_or_path @begun/model save_strategy no seed 3 preflight false "
#define RUN                                                                                                  \
    START DATA "output_dir @out overwrite_output_dir true prompts_per_step 4 num_generations 8 max_steps 6 "

static int setup(void **state)
{
    tiny_setup(state);
    struct str s;
    str_init(&s, 0);
    for (int i = 0; i < 30; i++)
        str_addf(&s, "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", i % 5, i / 6,
                 i % 5 + i / 6, i % 5 + i / 6);
    tiny_write("sums.jsonl", s.p);
    str_clear(&s);
    for (int i = 0; i < 30; i++) str_addf(&s, "{\"prompt\":\"%d=\",\"solution\":\"never\"}\n", i);
    tiny_write("never.jsonl", s.p);
    str_clear(&s);
    for (int i = 0; i < 30; i++)
        str_addf(&s, "{\"prompt\":\"%d+%d=\",\"solution\":\"%d\"}\n", i % 5, i / 6,
                 i % 3 ? 99 : i % 5 + i / 6);
    tiny_write("mixed.jsonl", s.p);
    str_release(&s);
    json_decref(tiny_run(
        "sft", "model_name_or_path @base from_scratch true dataset_name @sums.jsonl output_dir @begun "
               "save_strategy no max_steps 40 per_device_train_batch_size 30 learning_rate 1e-2"));
    return 0;
}

static json_t *run_metrics(const char *words)
{
    json_t *summary = tiny_run("grpo", words), *metrics = tiny_metrics("out");
    json_decref(summary);
    return metrics;
}

static void with_rate_zero_every_ratio_is_exactly_one(void **state)
{
    (void)state;
    json_t *m = run_metrics(RUN "learning_rate 0 num_iterations 3 steps_per_generation 2 beta 0.1");
    assert_int_equal(json_array_size(m), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(tiny_metric(m, i, "ratio/max_deviation") == 0);
        assert_true(tiny_metric(m, i, "clip_ratio/region_mean") == 0);
        assert_true(tiny_metric(m, i, "kl") == 0);
    }
    json_decref(m);
}

static void the_sampler_and_the_trainer_agree_to_the_last_bit(void **state)
{
    (void)state;
    const char *settings[] = {"temperature 0.7 max_completion_length 9",
                              "temperature 1.3 gradient_checkpointing true",
                              "beta 0.05 max_running 3 max_completion_length 5",
                              "top_k 3 temperature 1.2 beta 0.05",
                              "top_p 0.8 num_iterations 2",
                              "min_p 0.2 top_k 9 top_entropy_quantile 0.5 entropy_coef 0.01"};
    for (int k = 0; k < 6; k++) {
        char words[512];
        snprintf(words, sizeof words, RUN "learning_rate 1e-2 %s", settings[k]);
        json_t *m = run_metrics(words);
        bool any = false;
        for (size_t i = 0; i < json_array_size(m); i++) {
            const json_t *max =
                json_object_get(json_array_get(m, i), "sampling/sampling_logp_difference/max");
            any = any || json_is_number(max);
            assert_true(json_number_value(max) == 0);
        }
        assert_true(any);
        json_decref(m);
    }
}

static void a_second_pass_leaves_ratio_one(void **state)
{
    (void)state;
    json_t *m = run_metrics(RUN "learning_rate 1e-2 num_iterations 2");
    for (size_t i = 0; i < 6; i++) {
        double deviation = tiny_metric(m, i, "ratio/max_deviation");
        assert_true(i % 2 == 0 ? deviation == 0 : deviation > 1e-6);
    }
    json_decref(m);
}

/* A bonus too small for any float lets every group through the pass: what is left out must count the same. */
static void groups_without_variance_count_in_every_metric(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "steps_per_generation 2 prompts_per_step 3", "num_iterations 2 loss_type vespo",
        "importance_sampling_level sequence loss_type grpo num_iterations 3",
        "top_entropy_quantile 0.4 num_iterations 2 mask_truncated_completions true"};
    for (int k = 0; k < 4; k++) {
        char words[512], through[600];
        const char *key;
        json_t *value;
        snprintf(words, sizeof words, RUN "learning_rate 1e-2 dataset_name @mixed.jsonl %s", settings[k]);
        snprintf(through, sizeof through, "%s entropy_coef 1e-300", words);
        json_t *left_out = run_metrics(words), *let_through = run_metrics(through);
        double flat = 0;
        for (size_t i = 0; i < 6; i++) {
            json_object_foreach(json_array_get(let_through, i), key, value)
            {
                double want = json_number_value(value);
                if (!json_is_real(value) || strcmp(key, "policy_loss") == 0 || strstr(key, "_coef") ||
                    strstr(key, "_time"))
                    continue;
                double got = tiny_metric(left_out, i, key);
                if (!(fabs(got - want) <= 1e-12 * (1 + fabs(want))))
                    fail_msg("%s: step %zu, %s is %.17g, with all groups %.17g", settings[k], i + 1, key, got,
                             want);
            }
            flat += json_number_value(json_object_get(json_array_get(left_out, i), "frac_reward_zero_std"));
        }
        assert_true(flat > 0.5);
        json_decref(left_out);
        json_decref(let_through);
    }
}

static void groups_without_variance_have_gradient_exactly_zero(void **state)
{
    (void)state;
    char one[65], many[65];
    const char *base =
        START "dataset_name @never.jsonl reward_funcs exact max_completion_length 3 output_dir @out "
              "overwrite_output_dir true prompts_per_step 4 num_generations 4 learning_rate 1e-2 ";
    char words[512];
    snprintf(words, sizeof words, "%s max_steps 1", base);
    tiny_hash("grpo", words, one);
    snprintf(words, sizeof words, "%s max_steps 5", base);
    tiny_hash("grpo", words, many);
    assert_string_equal(one, many);
    json_t *m = tiny_metrics("out");
    for (size_t i = 0; i < 5; i++) {
        assert_true(tiny_metric(m, i, "grad_norm") == 0);
        assert_true(tiny_metric(m, i, "frac_reward_zero_std") == 1);
        assert_true(tiny_metric(m, i, "reward") == 0);
    }
    json_decref(m);
}

static void masked_truncated_completions_have_no_loss(void **state)
{
    (void)state;
    /* One token leaves no room for the end: every answer is cut off, right or not. */
    json_t *m = run_metrics(RUN "learning_rate 1e-2 max_completion_length 1 mask_truncated_completions true");
    double varied = 0;
    for (size_t i = 0; i < 6; i++) {
        varied += tiny_metric(m, i, "reward_std");
        if (tiny_metric(m, i, "completions/clipped_ratio") == 1)
            assert_true(tiny_metric(m, i, "grad_norm") == 0);
    }
    assert_true(varied > 0);
    json_decref(m);
}

static void same_hash(const char *a, const char *b)
{
    char x[65], y[65];
    tiny_hash("grpo", a, x);
    tiny_hash("grpo", b, y);
    if (strcmp(x, y) != 0) fail_msg("%s and %s end in different weights", a, b);
}

#define SPLIT                                                                                                \
    START DATA "output_dir @out overwrite_output_dir true num_generations 4 max_steps 5 learning_rate 1e-2 "

static void splitting_a_step_changes_no_bit(void **state)
{
    (void)state;
    const char *whole = SPLIT "per_device_train_batch_size 16 gradient_accumulation_steps 1";
    same_hash(whole, SPLIT "per_device_train_batch_size 4 gradient_accumulation_steps 4");
    same_hash(whole, SPLIT "per_device_train_batch_size 2 gradient_accumulation_steps 8");
    same_hash(whole,
              SPLIT "per_device_train_batch_size 4 gradient_accumulation_steps 4 steps_per_generation 2");
    same_hash(whole, SPLIT "prompts_per_step 4");
    same_hash(whole, SPLIT "prompts_per_step 4 max_running 2");
    same_hash(whole, SPLIT "prompts_per_step 4 speculate lookup");
    same_hash(SPLIT "prompts_per_step 4 top_p 0.9 min_p 0.05 max_completion_length 9 num_iterations 2",
              SPLIT "prompts_per_step 4 top_p 0.9 min_p 0.05 max_completion_length 9 num_iterations 2 "
                    "speculate lookup num_draft_tokens 3 max_running 5");
    same_hash(whole, SPLIT "prompts_per_step 4 gradient_checkpointing true");
}

static void every_loss_type_trains(void **state)
{
    (void)state;
    static const char *const types[] = {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"};
    char hashes[8][65];
    for (int i = 0; i < 8; i++) {
        char words[512];
        snprintf(words, sizeof words,
                 RUN "learning_rate 1e-2 num_iterations 2 gradient_accumulation_steps 4 loss_type %s",
                 types[i]);
        tiny_hash("grpo", words, hashes[i]);
        for (int k = 0; k < i; k++) assert_string_not_equal(hashes[i], hashes[k]);
    }
}

static void reward_rises_on_a_learnable_task(void **state)
{
    (void)state;
    json_t *m = run_metrics(
        START DATA "output_dir @out overwrite_output_dir true prompts_per_step 10 num_generations 16 "
                   "max_steps 60 learning_rate 3e-3 lr_scheduler_type constant");
    double before = 0, after = 0;
    for (size_t i = 0; i < 10; i++) {
        before += tiny_metric(m, i, "reward") / 10;
        after += tiny_metric(m, json_array_size(m) - 1 - i, "reward") / 10;
    }
    if (!(before < 0.6 && after > before + 0.15)) fail_msg("reward %.3f before, %.3f after", before, after);
    json_decref(m);
}

/* KL to a reference that is mixed with, or replaced by, the policy every two steps, and to one that stays. */
static void the_reference_follows_the_policy(void **state)
{
    (void)state;
#define KL RUN "learning_rate 1e-2 beta 0.05 "
    json_t *stays = run_metrics(KL), *mixed = run_metrics(KL "sync_ref_model true ref_model_sync_steps 2"),
           *replaced = run_metrics(KL "ref_refresh_steps 2");
    for (size_t i = 0; i < 2; i++) assert_true(tiny_metric(stays, i, "kl") == tiny_metric(replaced, i, "kl"));
    /* Window 3 is the first whose reference is that of step 2: the policy itself. */
    assert_true(tiny_metric(stays, 2, "kl") > 0 && tiny_metric(replaced, 2, "kl") == 0);
    assert_true(tiny_metric(mixed, 2, "kl") > 0 && tiny_metric(mixed, 2, "kl") < tiny_metric(stays, 2, "kl"));
    assert_true(tiny_metric(replaced, 3, "kl") > 0 && tiny_metric(replaced, 4, "kl") == 0);
    json_decref(stays);
    json_decref(mixed);
    json_decref(replaced);
}

static void an_entropy_bonus_keeps_sampling_varied(void **state)
{
    (void)state;
#define BONUS RUN "learning_rate 1e-2 max_steps 12 beta 1e-6 " /* with a KL no group is left out */
    json_t *plain = run_metrics(BONUS), *held = run_metrics(BONUS "entropy_coef 0.5"),
           *adaptive = run_metrics(BONUS "use_adaptive_entropy true entropy_coef 0.01 entropy_target 100 "
                                         "entropy_coef_delta 0.1 entropy_coef_max 0.25");
    assert_true(tiny_metric(held, 11, "entropy") > tiny_metric(plain, 11, "entropy") + 0.05);
    static const double coefs[] = {0.11, 0.21, 0.25, 0.25};
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs(tiny_metric(adaptive, i, "entropy_coef") - coefs[i]) < 1e-12);
    /* Applied from the second step on: the first has no entropy to compare with. */
    assert_true(tiny_metric(adaptive, 0, "policy_loss") == tiny_metric(adaptive, 0, "loss"));
    assert_true(tiny_metric(adaptive, 1, "policy_loss") > tiny_metric(adaptive, 1, "loss"));
    json_decref(plain);
    json_decref(held);
    json_decref(adaptive);
}

static void a_share_of_the_tokens_is_one_of_the_whole_step(void **state)
{
    (void)state;
#define SHARE SPLIT "top_entropy_quantile 0.3 entropy_coef 0.01 "
    same_hash(SHARE "per_device_train_batch_size 16", SHARE "per_device_train_batch_size 16 max_running 3");
    json_t *one = run_metrics(SHARE "per_device_train_batch_size 16 max_steps 1"),
           *four =
               run_metrics(SHARE "per_device_train_batch_size 4 gradient_accumulation_steps 4 max_steps 1");
    double kept = tiny_metric(one, 0, "entropy_kept_ratio");
    assert_true(kept >= 0.3 && kept < 0.45);
    assert_true(kept == tiny_metric(four, 0, "entropy_kept_ratio"));
    assert_true(fabs(tiny_metric(one, 0, "policy_loss") - tiny_metric(four, 0, "policy_loss")) < 1e-12);
    json_decref(one);
    json_decref(four);
}

/* The sampler never draws the fourth best of top_k 3: neither old nor new log-probs give it any weight, so
 * those of the three add up to one, and the entropy is at most log 3. */
static void the_ratio_is_of_what_was_sampled_from(void **state)
{
    (void)state;
    json_t *m = run_metrics(RUN "learning_rate 1e-2 top_k 3 temperature 5 num_iterations 2 beta 1e-6"),
           *all = run_metrics(RUN "learning_rate 1e-2 temperature 5 num_iterations 2 beta 1e-6");
    for (size_t i = 0; i < 6; i++) {
        assert_true(tiny_metric(m, i, "entropy") <= log(3) + 1e-6);
        assert_true((tiny_metric(m, i, "ratio/max_deviation") == 0) == (i % 2 == 0));
        assert_true(tiny_metric(all, i, "entropy") > log(3));
    }
    json_decref(m);
    json_decref(all);
}

static void resuming_within_a_window_ends_in_the_same_bits(void **state)
{
    (void)state;
#define RESUME                                                                                               \
    "model_name_or_path @begun/model seed 3 " DATA "output_dir @resume learning_rate 1e-2 "                  \
    "prompts_per_step 2 num_generations 8 num_iterations 2 steps_per_generation 2 beta 0.02 "                \
    "sync_ref_model true ref_model_sync_steps 3 use_adaptive_entropy true entropy_target 1 "                 \
    "entropy_coef_delta 0.1 top_p 0.9 max_steps 11 save_steps 1 "
    char whole[65], resumed[65], words[512];
    tiny_hash("grpo", RESUME, whole);
    json_t *log = tiny_metrics("resume");
    for (int step = 1; step <= 10; step++) {
        snprintf(words, sizeof words, RESUME "resume_from_checkpoint @resume/checkpoint-%d", step);
        tiny_hash("grpo", words, resumed);
        assert_string_equal(whole, resumed);
        json_t *again = tiny_metrics("resume");
        assert_true(json_equal(log, again));
        json_decref(again);
    }
    json_decref(log);
}

#define DYNAMIC                                                                                              \
    "model_name_or_path @begun/model seed 3 dataset_name @mixed.jsonl reward_funcs exact "                   \
    "max_completion_length 4 output_dir @dynamic prompts_per_step 4 num_generations 8 learning_rate 1e-2 "   \
    "dynamic_sampling true dynamic_sampling_rounds 2 num_iterations 2 max_steps 8 save_steps 1 "

static void dynamic_sampling_looks_for_variance_within_its_bound(void **state)
{
    (void)state;
    char whole[65], resumed[65], words[640];
    tiny_hash("grpo", DYNAMIC, whole);
    json_t *m = tiny_metrics("dynamic");
    int more = 0;
    for (size_t i = 0; i < 8; i += 2) {
        double rounds = tiny_metric(m, i, "dynamic_sampling/rounds"),
               sampled = tiny_metric(m, i, "dynamic_sampling/groups_sampled"),
               flat = tiny_metric(m, i, "dynamic_sampling/groups_flat");
        assert_true(rounds <= 2 && sampled >= 4 && sampled <= 12);
        assert_true(rounds == 0 ? sampled == 4 : sampled > 4);
        if (rounds < 2) assert_true(flat == 0);
        assert_true(flat / 4 == tiny_metric(m, i, "frac_reward_zero_std"));
        more += sampled > 4;
    }
    assert_true(more > 0);
    for (int step = 1; step < 8; step++) {
        snprintf(words, sizeof words, DYNAMIC "resume_from_checkpoint @dynamic/checkpoint-%d", step);
        tiny_hash("grpo", words, resumed);
        assert_string_equal(whole, resumed);
        json_t *again = tiny_metrics("dynamic");
        assert_true(json_equal(m, again));
        json_decref(again);
    }
    json_decref(m);
    /* Nothing ever varies: the bound is reached, and the run goes on. */
    m = run_metrics(RUN
                    "dataset_name @never.jsonl dynamic_sampling true dynamic_sampling_rounds 1 max_steps 1");
    assert_true(tiny_metric(m, 0, "dynamic_sampling/groups_sampled") == 8);
    assert_true(tiny_metric(m, 0, "dynamic_sampling/groups_flat") == 4);
    json_decref(m);
}

static void a_curriculum_by_pass_rate_resumes_to_the_same_bits(void **state)
{
    (void)state;
#define CURRICULUM                                                                                           \
    "model_name_or_path @begun/model seed 3 dataset_name @mixed.jsonl reward_funcs exact output_dir "        \
    "@course "                                                                                               \
    "max_completion_length 4 prompts_per_step 4 num_generations 8 learning_rate 1e-2 curriculum pass_rate "  \
    "dynamic_sampling true max_steps 6 save_steps 1 "
    char whole[65], resumed[65];
    tiny_hash("grpo", CURRICULUM, whole);
    json_t *m = tiny_metrics("course");
    assert_true(tiny_metric(m, 5, "curriculum/pass_rate") >= 0);
    json_decref(m);
    tiny_hash("grpo", CURRICULUM "resume_from_checkpoint @course/checkpoint-3", resumed);
    assert_string_equal(whole, resumed);
}

static void evaluation_changes_no_weight_and_draws_the_same_each_time(void **state)
{
    (void)state;
#define EVALUATED RUN "learning_rate 0 eval_dataset_name @mixed.jsonl eval_strategy steps eval_steps 2 "
    json_t *m = run_metrics(EVALUATED "num_generations_eval 4 eval_on_start true");
    /* Record 0 is of the weights before the first step; with rate 0 they stay. */
    assert_int_equal(json_array_size(m), 7);
    static const char *const keys[] = {"eval_reward", "eval_reward_std", "eval_rewards/exact_reward/mean",
                                       "eval_pass@1", "eval_pass@4",     "eval_completions/mean_length"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        double first = tiny_metric(m, 0, keys[k]);
        assert_true(first > 0);
        for (size_t step = 2; step <= 6; step += 2) assert_true(tiny_metric(m, step, keys[k]) == first);
        assert_null(json_object_get(json_array_get(m, 1), keys[k]));
    }
    assert_true(tiny_metric(m, 0, "eval_pass@4") > tiny_metric(m, 0, "eval_pass@1"));
    json_decref(m);
    same_hash(RUN "learning_rate 1e-2",
              RUN "learning_rate 1e-2 eval_dataset_name @mixed.jsonl eval_strategy steps eval_steps 1");
}

static void kwargs_are_keys_by_another_name(void **state)
{
    (void)state;
    same_hash(RUN "learning_rate 1e-2 temperature 0.7",
              RUN "learning_rate 1e-2 generation_kwargs {\"temperature\":0.7,\"do_sample\":true}");
    same_hash(RUN "learning_rate 1e-2 chat_template {{messages[0].content}}=4 apply_chat_template true",
              RUN "learning_rate 1e-2 chat_template {{messages[0].content}}={{d}} apply_chat_template true "
                  "chat_template_kwargs {\"d\":\"4\"}");
}

static void long_prompts_are_dropped_cut_or_refused(void **state)
{
    (void)state;
    struct str s;
    str_init(&s, 0);
    for (int i = 0; i < 8; i++)
        str_addf(&s, "{\"prompt\":\"%s1+%d=\",\"solution\":\"1\"}\n", i < 4 ? "" : "9-9+", i);
    tiny_write("long.jsonl", s.p);
    str_clear(&s);
    for (int i = 0; i < 8; i++) str_addf(&s, "{\"prompt\":\"1+%d=\",\"solution\":\"1\"}\n", i);
    tiny_write("cut.jsonl", s.p);
    str_release(&s);
#define LONG RUN "learning_rate 1e-2 max_prompt_length 4 dataset_name "
    same_hash(LONG "@long.jsonl long_prompts cut", LONG "@cut.jsonl");
    tiny_refused("grpo", LONG "@long.jsonl long_prompts refuse", "long.jsonl:5: ");
    tiny_refused("grpo", LONG "@long.jsonl prompts_per_step 5", "4 prompts");
}

static void what_cannot_work_is_refused_with_what_can(void **state)
{
    (void)state;
    const struct {
        const char *words, *part;
    } cases[] = {
        {"num_generations 4 per_device_train_batch_size 6", "4 or 8"},
        {"num_generations 4 per_device_train_batch_size 6", "prompts_per_step"},
        {"delta 0.5", "above 1 + epsilon_high"},
        {"use_adaptive_entropy true entropy_coef_min 0.5 entropy_coef_max 0.1", "min 0.5 is above"},
        {"use_adaptive_entropy true entropy_coef 2", "entropy_coef 2, where use_adaptive_entropy begins, "},
        {"top_p 0", "one token to draw from"},
        {"generation_kwargs {\"top_k\":1}", "one token to draw from"},
        {"save_steps 2.5", "save_steps is 2.5"},
        {"logging_steps 1.5", "whole number of steps"},
        {"eval_strategy steps eval_dataset_name @sums.jsonl eval_steps 1.5", "eval_steps is 1.5"},
        {"dataset_train_split validation", "sums.jsonl is one file, all of it the split train"},
        {"dataset_train_split train[:50%]", "max_train_samples takes its first rows"},
        {"num_generations 4 prompts_per_step 3 per_device_train_batch_size 8 gradient_accumulation_steps 2",
         "leave one"},
        {"num_generations 4 prompts_per_step 40", "30 prompts"},
        {"num_generations 4 per_device_train_batch_size 4 gradient_accumulation_steps 2 steps_per_generation "
         "3",
         "2 or 4"},
        {"num_generations 4 per_device_train_batch_size 8 generation_batch_size 20", "16 or 24"},
        {"generation_batch_size 8 steps_per_generation 1", "one of them"},
        {"num_generations 1", "num_generations"},
        {"reward_funcs exact,exakt", "exakt"},
        {"reward_weights 1,2", "reward_weights"},
        {"sync_ref_model true", "beta"},
        {"ref_refresh_steps 3", "beta"},
        {"ref_refresh_steps 3 sync_ref_model true beta 0.1", "one of"},
        {"top_entropy_quantile 1.2", "top_entropy_quantile"},
        {"generation_kwargs {\"top_q\":1}", "top_q"},
        {"generation_kwargs {\"top_p\":7}", "top_p"},
        {"pass_rate_column rate", "curriculum"},
        {"curriculum pass_rate pass_rate_column rate", "sums.jsonl:1: pass_rate_column rate must be "},
        {"max_prompt_length 1", "max_prompt_length"},
        {"loss_type gropo", "loss_type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[512];
        snprintf(words, sizeof words, START DATA "output_dir @refused %s", cases[i].words);
        tiny_refused("grpo", words, cases[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_rate_zero_every_ratio_is_exactly_one),
        cmocka_unit_test(the_sampler_and_the_trainer_agree_to_the_last_bit),
        cmocka_unit_test(a_second_pass_leaves_ratio_one),
        cmocka_unit_test(groups_without_variance_have_gradient_exactly_zero),
        cmocka_unit_test(groups_without_variance_count_in_every_metric),
        cmocka_unit_test(masked_truncated_completions_have_no_loss),
        cmocka_unit_test(splitting_a_step_changes_no_bit),
        cmocka_unit_test(every_loss_type_trains),
        cmocka_unit_test(reward_rises_on_a_learnable_task),
        cmocka_unit_test(the_reference_follows_the_policy),
        cmocka_unit_test(an_entropy_bonus_keeps_sampling_varied),
        cmocka_unit_test(a_share_of_the_tokens_is_one_of_the_whole_step),
        cmocka_unit_test(the_ratio_is_of_what_was_sampled_from),
        cmocka_unit_test(resuming_within_a_window_ends_in_the_same_bits),
        cmocka_unit_test(dynamic_sampling_looks_for_variance_within_its_bound),
        cmocka_unit_test(a_curriculum_by_pass_rate_resumes_to_the_same_bits),
        cmocka_unit_test(evaluation_changes_no_weight_and_draws_the_same_each_time),
        cmocka_unit_test(kwargs_are_keys_by_another_name),
        cmocka_unit_test(long_prompts_are_dropped_cut_or_refused),
        cmocka_unit_test(what_cannot_work_is_refused_with_what_can),
    };
    return cmocka_run_group_tests(tests, setup, tiny_teardown);
}
