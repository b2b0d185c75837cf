/* Rewards of a run: parameters from Open-R1's keys, from reward_params, from the limits of the run. */
#include "tiny.h"

#include "base/opt.h"
#include "train/grpo_int.h"

/* The parameters of the only reward of a run with these options, as text. */
static char *params_text(const char *const *options, int n, struct err *e)
{
    const struct opt *const tables[] = {algo_find("grpo")->options, train_options, model_options};
    static const char *const needed[] = {"--model_name_or_path", "none", "--dataset_name", "none",
                                         "--output_dir",         "none"};
    enum { NEEDED = sizeof needed / sizeof *needed };
    char *args[32];
    struct scorer s = {0};
    char *text = NULL;
    for (int i = 0; i < NEEDED; i++) args[i] = alloc_str(needed[i]);
    for (int i = 0; i < n; i++) args[i + NEEDED] = alloc_str(options[i]);
    struct conf *c = conf_new(tables, 3, n + NEEDED, args, e);
    if (!c) fail_msg("%s", e->msg);
    if (!scorer_read(&s, c, e)) text = json_text(s.params[0]);
    scorer_release(&s);
    conf_free(c);
    for (int i = 0; i < n + NEEDED; i++) free(args[i]);
    return text;
}

#define PARAMS(...)                                                                                          \
    params_text((const char *const[]){__VA_ARGS__},                                                          \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), &e)

static void expect(char *text, const char *want, const struct err *e)
{
    if (!text) fail_msg("%s", e->msg);
    assert_string_equal(text, want);
    free(text);
}

static void open_r1s_keys_reach_their_reward(void **state)
{
    (void)state;
    struct err e = {0};
    expect(PARAMS("--reward_funcs", "cosine", "--cosine_max_len", "50", "--cosine_min_value_wrong", "-2"),
           "{\"min_value_wrong\":-2.0,\"max_value_wrong\":-0.5,\"min_value_correct\":0.5,"
           "\"max_value_correct\":1.0,\"max_len\":50.0}",
           &e);
    expect(PARAMS("--reward_funcs", "get_repetition_penalty_reward", "--repetition_n_grams", "4"),
           "{\"ngram_size\":4,\"max_penalty\":-1.0}", &e);
    expect(PARAMS("--reward_funcs", "repetition_penalty", "--reward_params",
                  "{\"repetition_penalty\":{\"ngram_size\":2,\"unit\":\"tokens\"}}"),
           "{\"ngram_size\":2,\"max_penalty\":-1.0,\"unit\":\"tokens\"}", &e);
    expect(PARAMS("--reward_funcs", "exact"), "{}", &e);
}

static void the_limit_of_overlong_follows_the_runs(void **state)
{
    (void)state;
    struct err e = {0};
    expect(PARAMS("--reward_funcs", "soft_overlong_punishment", "--max_completion_length", "1000"),
           "{\"max_completion_len\":1000,\"soft_punish_cache\":250}", &e);
    expect(PARAMS("--reward_funcs", "soft_overlong_punishment", "--max_completion_len", "800"),
           "{\"max_completion_len\":800,\"soft_punish_cache\":200}", &e);
    expect(PARAMS("--reward_funcs", "soft_overlong_punishment", "--reward_params",
                  "{\"soft_overlong_punishment\":{\"compat\":\"open-r1\"}}"),
           "{\"compat\":\"open-r1\"}", &e);
}

static void what_is_wrong_is_told_before_the_first_step(void **state)
{
    (void)state;
    struct err e = {0};
    assert_null(PARAMS("--reward_funcs", "repetition_penalty", "--repetition_max_penalty", "0.5"));
    assert_non_null(strstr(e.msg, "max_penalty"));
    assert_null(PARAMS("--reward_funcs", "acuracy"));
    assert_non_null(strstr(e.msg, "did you mean \"accuracy\""));
    assert_null(PARAMS("--reward_funcs", "./no_such_file.py:score"));
    assert_non_null(strstr(e.msg, "there is no file ./no_such_file.py"));
    assert_null(PARAMS("--reward_funcs", "exact", "--reward_weights", "1,2"));
    assert_int_equal(e.kind, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_r1s_keys_reach_their_reward),
        cmocka_unit_test(the_limit_of_overlong_follows_the_runs),
        cmocka_unit_test(what_is_wrong_is_told_before_the_first_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
