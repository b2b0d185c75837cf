/* eval_task on a tiny random model: results are a function of weights, items and seed, never of the batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/scratch.h"
#include "eval/eval.h"

static const char config[] = "{\"model_type\":\"llama\",\"hidden_size\":16,\"num_hidden_layers\":2,"
                             "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"intermediate_size\":32,"
                             "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"vocab_size\":18,"
                             "\"tie_word_embeddings\":true,\"initializer_range\":0.5,\"eos_token_id\":0}";

static struct model *model_new(void)
{
    static const char *const specials[] = {"<|end|>", "<think>", "</think>"};
    struct err e = {0};
    struct tokenizer *t = tokenizer_chars("0123456789+-*= ", specials, 3, &e);
    const char *dir = scratch("model");
    if (!t || file_mkdirs(dir, &e) || tokenizer_save(t, dir, &e) ||
        file_write(scratch("model/config.json"), config, sizeof config - 1, &e))
        fail_msg("%s", e.msg);
    struct model *m = model_load(dir, MODEL_RANDOM, 3, &e);
    if (!m) fail_msg("%s", e.msg);
    tokenizer_free(t);
    return m;
}

static struct eval_out evaluated(struct model *m, int num_samples, int max_running, uint64_t seed)
{
    struct err e = {0};
    struct eval_out out;
    struct eval_opts o = {.limit = 30, .num_samples = num_samples, .seed = seed, .max_running = max_running};
    sampling_default(&o.sampling);
    o.sampling.max_new_tokens = 12;
    o.sampling.n_stop_ids = model_eos(m, &o.sampling.stop_ids);
    if (num_samples == 1) o.sampling.temperature = 0;
    if (eval_task(m, task_find("chain", &e), &o, &out, &e)) fail_msg("%s", e.msg);
    return out;
}

static void out_release(struct eval_out *out)
{
    json_decref(out->result);
    json_decref(out->samples);
}

static void results_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    struct model *m = model_new();
    struct eval_out a = evaluated(m, 4, 64, 1), b = evaluated(m, 4, 3, 1), c = evaluated(m, 4, 64, 2);
    assert_true(json_equal(a.result, b.result));
    assert_true(json_equal(a.samples, b.samples));
    assert_false(json_equal(a.samples, c.samples));
    struct eval_out g = evaluated(m, 1, 64, 1), h = evaluated(m, 1, 64, 2); /* greedy needs no seed */
    assert_true(json_equal(g.samples, h.samples));
    out_release(&a);
    out_release(&b);
    out_release(&c);
    out_release(&g);
    out_release(&h);
    model_free(m);
}

static void samples_say_what_the_numbers_say(void **state)
{
    (void)state;
    struct model *m = model_new();
    struct eval_out out = evaluated(m, 4, 64, 1);
    size_t i, k, right = 0, length = 0, clipped = 0;
    json_t *sample, *c;
    assert_int_equal(json_array_size(out.samples), 30);
    json_array_foreach(out.samples, i, sample)
    {
        assert_true(json_is_string(json_object_get(sample, "prompt")));
        assert_int_equal(json_array_size(json_object_get(sample, "completions")), 4);
        json_array_foreach(json_object_get(sample, "completions"), k, c)
        {
            right += json_is_true(json_object_get(c, "correct"));
            length += (size_t)json_integer_value(json_object_get(c, "length"));
            clipped += strcmp(json_string_value(json_object_get(c, "finish_reason")), "length") == 0;
            assert_true(json_string_length(json_object_get(c, "reason")) > 0);
        }
    }
    assert_true(clipped > 0 && clipped < 120);
    assert_true(json_real_value(json_object_get(out.result, "mean_length")) == (double)length / 120);
    assert_true(json_real_value(json_object_get(out.result, "clipped_ratio")) == (double)clipped / 120);
    double pass = json_real_value(json_object_get(out.result, "pass@1"));
    assert_true(pass * 120 > (double)right - 1e-9 && pass * 120 < (double)right + 1e-9);
    out_release(&out);
    model_free(m);
}

static int start(void **state)
{
    pool_start(2);
    log_set_level(LOG_WARNING);
    return scratch_make(state);
}

static int end(void **state)
{
    pool_stop();
    return scratch_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_the_batch),
        cmocka_unit_test(samples_say_what_the_numbers_say),
    };
    return cmocka_run_group_tests(tests, start, end);
}
