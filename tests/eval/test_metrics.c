/* Metrics: pass@k by counting all subsets, standard errors over items, votes, pairs, the table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "eval/eval_int.h"

static double real_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("%s is no number", key);
    return json_number_value(v);
}

/* The share of k-subsets of n that hold one of the first c: by trying all. */
static double by_subsets(int n, int c, int k)
{
    int hit = 0, all = 0;
    for (unsigned set = 0; set < 1U << n; set++) {
        if (__builtin_popcount(set) != k) continue;
        all++;
        hit += (set & ((1U << c) - 1)) != 0;
    }
    return (double)hit / all;
}

static void pass_at_k_is_the_share_of_subsets_with_a_right_one(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++)
        for (int c = 0; c <= n; c++)
            for (int k = 1; k <= n; k++)
                if (fabs(pass_at_k(n, c, k) - by_subsets(n, c, k)) > 1e-12)
                    fail_msg("n %d, c %d, k %d: %g", n, c, k, pass_at_k(n, c, k));
}

static void the_error_is_over_items(void **state)
{
    (void)state;
    /* two items, four samples each: means 1 and 0.5; error sqrt(0.125 / 2) = 0.25 whatever the samples */
    struct judged c[8] = {0};
    for (int i = 0; i < 6; i++) c[i].score = 1;
    for (int i = 0; i < 8; i++)
        c[i] = (struct judged){.score = i < 6, .length = 1 + i, .answer = i < 6 ? "1" : "2"};
    c[7].clipped = true;
    c[0].reasoned = c[1].reasoned = true;
    json_t *m = metrics_of(c, 2, 4);
    assert_true(fabs(real_of(m, "pass@1") - 0.75) < 1e-12);
    assert_true(fabs(real_of(m, "stderr") - 0.25) < 1e-12);
    assert_true(fabs(real_of(m, "pass@2") - (1 + 5.0 / 6) / 2) < 1e-12);
    assert_true(real_of(m, "pass@4") == 1);
    assert_null(json_object_get(m, "pass@3"));
    assert_true(real_of(m, "maj@4") == 1); /* at a tie the answer given first */
    assert_true(real_of(m, "mean_length") == 4.5);
    assert_true(real_of(m, "clipped_ratio") == 0.125);
    assert_true(real_of(m, "reasoning_ratio") == 0.25);
    assert_int_equal(json_integer_value(json_object_get(m, "n_items")), 2);
    assert_int_equal(json_integer_value(json_object_get(m, "n_samples")), 4);
    json_decref(m);
}

static void powers_of_two_and_n_are_reported(void **state)
{
    (void)state;
    struct judged c[6];
    for (int i = 0; i < 6; i++) c[i] = (struct judged){.score = i == 0, .answer = ""};
    json_t *m = metrics_of(c, 1, 6);
    assert_true(fabs(real_of(m, "pass@2") - 1.0 / 3) < 1e-12);
    assert_true(fabs(real_of(m, "pass@4") - 2.0 / 3) < 1e-12);
    assert_true(real_of(m, "pass@6") == 1);
    assert_null(json_object_get(m, "pass@8"));
    json_decref(m);
}

static void the_undecided_count_neither_way(void **state)
{
    (void)state;
    struct judged c[4] = {{.score = 1, .answer = ""},
                          {.score = -1, .answer = ""},
                          {.score = -1, .answer = ""},
                          {.score = -1, .answer = ""}};
    json_t *m = metrics_of(c, 2, 2);
    assert_true(real_of(m, "pass@1") == 1);
    assert_int_equal(json_integer_value(json_object_get(m, "undecided")), 3);
    json_decref(m);
    c[0].score = -1;
    m = metrics_of(c, 2, 2);
    assert_true(json_is_null(json_object_get(m, "pass@1")));
    json_decref(m);
}

static void equal_answers_vote_together(void **state)
{
    (void)state;
    struct judged c[] = {
        {.score = 0, .answer = "3"},   {.score = 1, .answer = "1/2"},          {.score = 0, .answer = "3"},
        {.score = 1, .answer = "0.5"}, {.score = 1, .answer = "\\frac{2}{4}"}, {.score = 0, .answer = ""}};
    assert_int_equal(majority(c, 6), 1);
    assert_int_equal(majority(c, 3), 0);
    assert_int_equal(majority(c + 5, 1), -1);
}

static json_t *samples_of(const char *text)
{
    struct err e = {0};
    json_t *v = json_read_bytes(text, strlen(text), "samples", &e);
    if (!v) fail_msg("%s", e.msg);
    return v;
}

static void pairs_are_compared_item_by_item(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *a = samples_of("[{\"id\":1,\"completions\":[{\"correct\":true},{\"correct\":false}]},"
                           "{\"id\":\"x\",\"completions\":[{\"correct\":false}]},"
                           "{\"id\":3,\"completions\":[{\"correct\":null}]},{\"id\":9,\"completions\":[]}]");
    json_t *b = samples_of("[{\"id\":\"x\",\"completions\":[{\"correct\":true}]},"
                           "{\"id\":1,\"completions\":[{\"correct\":true}]},"
                           "{\"id\":3,\"completions\":[{\"correct\":true}]}]");
    json_t *d = eval_compare(a, b, &e);
    assert_non_null(d);
    assert_int_equal(json_integer_value(json_object_get(d, "n_items")), 2);
    assert_true(real_of(d, "a") == 0.25 && real_of(d, "b") == 1 && real_of(d, "difference") == 0.75);
    assert_true(fabs(real_of(d, "stderr") - 0.25) < 1e-12);
    json_decref(d);
    json_decref(b);
    b = samples_of("[{\"id\":4,\"completions\":[{\"correct\":true}]}]");
    assert_null(eval_compare(a, b, &e));
    assert_non_null(strstr(e.msg, "in common"));
    json_decref(a);
    json_decref(b);
}

static void the_table_has_the_shape_scripts_read(void **state)
{
    (void)state;
    json_t *results =
        samples_of("{\"chain\":{\"pass@1\":0.25,\"stderr\":0.0194,\"pass@8\":null,\"n_items\":512,"
                   "\"mean_length\":19.5,\"undecided\":0}}");
    struct str out;
    str_init(&out, 0);
    eval_table(results, &out);
    assert_string_equal(out.p, "|Tasks|Metric     |   |     Value|   |  Stderr|\n"
                               "|-----|-----------|---|---------:|---|-------:|\n"
                               "|chain|pass@1     |↑  |    0.2500|±  |  0.0194|\n"
                               "|     |pass@8     |↑  |       N/A|   |        |\n"
                               "|     |mean_length|   |   19.5000|   |        |\n");
    str_release(&out);
    json_decref(results);
}

static void tasks_have_names_items_and_scores(void **state)
{
    (void)state;
    struct err e = {0};
    char reason[160];
    for (size_t k = 0; task_all()[k]; k++) {
        const struct task *t = task_all()[k];
        assert_ptr_equal(task_find(t->name, &e), t);
        json_t *items = t->items(NULL, NULL, &e);
        if (!items) { /* the one task whose items are other people's */
            assert_string_equal(t->name, "gsm8k");
            assert_non_null(strstr(e.msg, "--dataset_name"));
            continue;
        }
        assert_int_equal(json_array_size(items), 512);
        const json_t *item = json_array_get(items, 0);
        json_t *prompt = t->prompt(item, NULL);
        assert_non_null(prompt);
        assert_int_equal(
            t->score(item, json_string_value(json_object_get(item, "solution")), reason, sizeof reason), 1);
        assert_int_equal(t->score(item, "no idea", reason, sizeof reason), 0);
        assert_true(reason[0]);
        json_decref(prompt);
        json_decref(items);
    }
    assert_null(task_find("gsm8", &e));
    assert_non_null(strstr(e.msg, "did you mean \"gsm8k\"?"));
}

static void gsm8k_asks_as_the_model_needs_and_takes_percent(void **state)
{
    (void)state;
    struct err e = {0};
    char reason[160];
    const struct task *t = task_find("gsm8k", &e);
    json_t *item = samples_of("{\"question\":\"How many percent?\",\"answer\":\"5*4=20\\n#### 20\"}");
    json_t *chat = json_pack("{s:b}", "chat", 1), *prompt = t->prompt(item, NULL);
    assert_string_equal(json_string_value(prompt), "Question: How many percent?\nAnswer:");
    json_decref(prompt);
    prompt = t->prompt(item, chat);
    assert_non_null(
        strstr(json_string_value(json_object_get(json_array_get(prompt, 0), "content")), "\\boxed{}"));
    assert_int_equal(t->score(item, "\\boxed{20}", reason, sizeof reason), 1);
    assert_int_equal(t->score(item, "\\boxed{20\\%}", reason, sizeof reason), 1);
    assert_int_equal(t->score(item, "The answer is 20 %.", reason, sizeof reason), 1);
    assert_int_equal(t->score(item, "\\boxed{25\\%}", reason, sizeof reason), 0);
    json_decref(prompt);
    json_decref(chat);
    json_decref(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pass_at_k_is_the_share_of_subsets_with_a_right_one),
        cmocka_unit_test(the_error_is_over_items),
        cmocka_unit_test(powers_of_two_and_n_are_reported),
        cmocka_unit_test(the_undecided_count_neither_way),
        cmocka_unit_test(equal_answers_vote_together),
        cmocka_unit_test(pairs_are_compared_item_by_item),
        cmocka_unit_test(the_table_has_the_shape_scripts_read),
        cmocka_unit_test(tasks_have_names_items_and_scores),
        cmocka_unit_test(gsm8k_asks_as_the_model_needs_and_takes_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
