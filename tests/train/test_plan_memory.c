/* test_plan_memory.c: the memory of a GRPO run is what was planned for it, to a tenth: what is expected where
 * completions end early or nothing is trained, what is planned at most where they reach their length. It is
 * that of the whole process, measured by getrusage in one of its own. (SFT: tests/e2e/plan.sh.)
 */
#include "tiny.h"

#include <sys/resource.h>
#include <sys/wait.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { MEASURED = 1 };
#else
enum { MEASURED = 0 };
#endif

/* Large enough for what the plan counts to be most of what there is. */
static void write_model(const char *name, const char *alphabet)
{
    static const char *const specials[] = {"<eos>"};
    char file[64];
    struct str config;
    tiny_model_over(name, alphabet, specials, 1);
    snprintf(file, sizeof file, "%s/config.json", name);
    char *path = tiny_path(file);
    struct err e = {0};
    json_t *o = json_read_file(path, &e);
    assert_non_null(o);
    json_object_set_new(o, "hidden_size", json_integer(384));
    json_object_set_new(o, "num_attention_heads", json_integer(6));
    json_object_set_new(o, "num_key_value_heads", json_integer(3));
    json_object_set_new(o, "intermediate_size", json_integer(1024));
    json_object_set_new(o, "num_hidden_layers", json_integer(6));
    json_object_set_new(o, "max_position_embeddings", json_integer(256));
    json_object_set_new(o, "initializer_range", json_real(0.02));
    str_init(&config, 0);
    char *text = json_text(o);
    str_puts(&config, text);
    if (file_write(path, config.p, config.len, &e)) fail_msg("%s", e.msg);
    str_release(&config);
    free(text);
    json_decref(o);
    free(path);
}

static int setup(void **state)
{
    if (tiny_setup(state)) return -1;
    struct str letters; /* of which one in a thousand ends a completion */
    str_init(&letters, 0);
    str_puts(&letters, "0123456789+-=");
    for (int code = 0x100; code < 0x500; code++)
        str_addf(&letters, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 63));
    write_model("ending", "0123456789+-=");
    write_model("endless", letters.p);
    str_release(&letters);
    return 0;
}

/* The largest resident memory of a process that runs this. */
static double measure(const char *words)
{
    int ends[2], status;
    double peak = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rusage use;
        json_decref(tiny_run("grpo", words));
        getrusage(RUSAGE_SELF, &use);
        peak = (double)use.ru_maxrss * 1024;
        _exit(write(ends[1], &peak, sizeof peak) != sizeof peak);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &peak, sizeof peak), sizeof peak);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return peak;
}

static double in_record(const char *key)
{
    struct err e = {0};
    char *path = tiny_path("out/preflight.json");
    json_t *o = json_read_file(path, &e), *value = json_object_get(o, key);
    if (!json_is_number(value)) fail_msg("%s: %s", key, e.msg);
    double x = json_number_value(value);
    json_decref(o);
    free(path);
    return x;
}

static void check(const char *what, double measured, double planned)
{
    if (!(measured > 0.9 * planned && measured < 1.1 * planned))
        fail_msg("%s: %.1f MB planned, %.1f MB measured", what, planned / 1e6, measured / 1e6);
}

#define RUN                                                                                                  \
    "from_scratch true dataset_name @data.jsonl reward_funcs exact prompts_per_step 8 num_generations 8 "    \
    "max_completion_length 64 max_steps 2 output_dir @out overwrite_output_dir true save_strategy no "       \
    "logging_strategy no gradient_checkpointing false "

static void where_completions_end_early_it_is_what_is_expected(void **state)
{
    (void)state;
    if (!MEASURED) skip();
    static const char *const more[] = {"beta 0.1", "beta 0.1 gradient_checkpointing true num_iterations 2"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char words[512];
        snprintf(words, sizeof words, "%s%s model_name_or_path @ending", RUN, more[i]);
        double measured = measure(words), expected = in_record("expected_bytes");
        check(more[i], measured, expected);
        if (expected > 0.8 * in_record("planned_bytes")) fail_msg("%s: they do not end early", more[i]);
    }
}

static void where_completions_reach_their_length_it_is_what_is_planned_at_most(void **state)
{
    (void)state;
    if (!MEASURED) skip();
    static const char words[] = RUN "beta 0.1 max_steps 1 preflight_prompts 4 model_name_or_path @endless";
    double measured = measure(words);
    check("at most", measured, in_record("planned_bytes"));
    check("as expected", measured, in_record("expected_bytes"));
}

/* No completion is right, so no group has variance, and with beta 0 no pass is made but the one that is timed
 * before the first step. */
static void where_no_group_has_variance_no_pass_is_expected(void **state)
{
    (void)state;
    if (!MEASURED) skip();
    double measured = measure(RUN "max_steps 1 preflight_prompts 4 model_name_or_path @endless");
    check("no pass", measured, in_record("expected_bytes"));
    if (in_record("expected_bytes") > 0.8 * in_record("expected_trained_bytes"))
        fail_msg("a pass is as small as none");
}

/* Of a model so small that what is counted is less than what is there. */
static void no_less_is_expected_than_there_is(void **state)
{
    (void)state;
    if (!MEASURED) skip();
    double measured = measure(RUN "max_steps 1 max_completion_length 16 model_name_or_path @base");
    check("a tiny model", measured, in_record("expected_bytes"));
    if (in_record("expected_bytes") < 0.995 * in_record("peak_bytes"))
        fail_msg("%.0f bytes expected of %.0f", in_record("expected_bytes"), in_record("peak_bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_completions_end_early_it_is_what_is_expected),
        cmocka_unit_test(where_completions_reach_their_length_it_is_what_is_planned_at_most),
        cmocka_unit_test(where_no_group_has_variance_no_pass_is_expected),
        cmocka_unit_test(no_less_is_expected_than_there_is),
    };
    return cmocka_run_group_tests(tests, setup, tiny_teardown);
}
