/* Every reward explains itself, to the letter: what was found where, the numbers put into the formula, the
 * formula; and gives the same value without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "reward/reward.h"
#include "verify/verify.h"

static json_t *parsed(const char *text)
{
    struct err e = {0};
    json_t *v = text ? json_read_bytes(text, strlen(text), "example", &e) : NULL;
    if (text && !v) fail_msg("%s", e.msg);
    return v;
}

/* One completion as a group of its own. */
static struct reward_result scored(const struct reward *w, const char *completion, const char *row_text,
                                   const char *params_text, struct str *steps)
{
    json_t *row = parsed(row_text), *params = parsed(params_text);
    int list[16], n = -1;
    const json_t *ids = json_object_get(row, "completion_ids");
    if (ids)
        for (n = 0; n < (int)json_array_size(ids); n++)
            list[n] = (int)json_integer_value(json_array_get(ids, (size_t)n));
    struct reward_input in = {.text = completion,
                              .row = row,
                              .params = params,
                              .n_ids = n,
                              .ids = ids ? list : NULL,
                              .steps = steps};
    struct reward_result out = {0};
    reward_score(w, &in, 1, &out);
    json_decref(row);
    json_decref(params);
    return out;
}

static const struct {
    const char *name, *completion, *row, *params, *text;
} examples[] = {
    {"accuracy", "so \\boxed{7}", "{\"solution\":\"6\"}", NULL,
     "gold        6\n"
     "  found     the whole text (plain text)\n"
     "  read as   6\n"
     "asked for   a number\n"
     "answer      7\n"
     "  found     boxed (LaTeX)\n"
     "  read as   7\n"
     "compare     6  with  7\n"
     "  no          different rational numbers\n"
     "decided     wrong: different rational numbers\n"
     "reward      0: 7 vs 6; different rational numbers\n"},
    {"accuracy", "6", "{}", NULL, "not judged  the row has no column \"solution\" or \"answer\"\n"},
    {"reasoning_accuracy", "6", "{\"solution\":\"6\"}", NULL,
     "end mark    missing: </think>\n"
     "reward      0: no </think>: the reasoning was never finished\n"},
    {"format", "<think>\na\n</think>\n<answer>\nb</answer>", "{}", NULL,
     "opening     line 1: <think> on a line of its own, at the beginning\n"
     "border      line 3: </think> and <answer> on lines of their own\n"
     "closing     missing: </answer> on a line of its own\n"
     "formula     1 where all three stand, one behind the other, else 0\n"
     "reward      0: no </answer> at the end of a line of its own\n"},
    {"tag_count", "<think>\na\n</think>\nb", "{}", NULL,
     "tags        1 x <think> before a new line\n"
     "            1 x </think> on a line of its own\n"
     "            0 x <answer> on a line of its own\n"
     "            0 x </answer> behind a new line\n"
     "formula     0.25 x 2 that occur once\n"
     "reward      0.5: <think> 1, </think> 1, <answer> 0, </answer> 0 times\n"},
    {"reasoning_steps", "Step 1: a\n  2. b", "{}", NULL,
     "signs       line 1: Step 1:\n"
     "            line 2: 2.\n"
     "formula     min(1, 2/3)\n"
     "reward      0.6666666667: 2 signs of a step\n"},
    {"cosine", "\\boxed{6}", "{\"solution\":\"6\"}", "{\"max_len\":18}",
     "length      9 characters of max_len 18: t = 0.5\n"
     "range       right: from max_value_correct 1 to min_value_correct 0.5\n"
     "formula     0.5 + 0.5 (1 - 0.5) (1 + cos(pi t))\n"
     "reward      0.75: right, 9 characters; 6 vs 6; the same text\n"},
    {"repetition_penalty", "a b a b", "{}", "{\"ngram_size\":2}",
     "counted     4 words make 3 n-grams of 2, 2 of them different\n"
     "formula     (1 - 2/3) x max_penalty -1\n"
     "reward      -0.3333333333: 2 different of 3 n-grams of 2\n"},
    {"length", "\\boxed{6}", "{\"solution\":\"6\"}", NULL,
     "length      9 characters; of this prompt's completions: 9 to 9\n"
     "formula     0 where all are of one length\n"},
    {"soft_overlong_punishment", "", "{\"completion_ids\":[1,1,1,1,1,1,1]}",
     "{\"max_completion_len\":10,\"soft_punish_cache\":4}",
     "limits      max_completion_len M = 10, soft_punish_cache C = 4\n"
     "formula     (M - C - length)/C = (6 - 7)/4\n"
     "reward      -0.25: 7 tokens; punished from 6 on, in full behind 10\n"},
    {"code_format", "<think>\na\n</think>\n<answer>\n```java\nx\n```\n</answer>", "{\"language\":\"java\"}",
     NULL,
     "opening     line 1: <think> on a line of its own, at the beginning\n"
     "border      line 4: </think> and <answer> on lines of their own\n"
     "block       line 5: a block of code in that language\n"
     "block's end line 7: ```\n"
     "closing     line 8: </answer> on a line of its own\n"
     "formula     1 where all of them stand, one behind the other, else 0\n"
     "reward      1: reasoning, answer and code stand in their tags (java)\n"},
    {"think_format", "<think>a\n<think></think>b", "{}", NULL,
     "opening     line 1: <think> at the beginning\n"
     "second      line 2: <think> once more\n"
     "closing     line 2: </think>\n"
     "formula     1 where it is opened once, at the beginning, and closed, else 0\n"
     "reward      0: <think> occurs twice\n"},
    {"language_consistency", "<think>so 首 add</think>6", "{}", NULL,
     "searched    the reasoning\n"
     "other       首\n"
     "formula     2 words in the script of en of 3\n"},
    {"multiple_choice", "<answer>c</answer>", "{\"solution\":\"C\"}", NULL,
     "letter      c, small but all that is said\n"
     "reward      1: c vs C\n"},
    {"exact", "<think>x</think> blue ", "{\"solution\":\"red\"}", NULL,
     "said        blue\n"
     "gold        red\n"
     "formula     1 where both are the same bytes, 4 and 3, else 0\n"
     "reward      0: \"blue\" vs \"red\"\n"},
    {"numeric", "It is 6.", "{\"solution\":5}", "{\"tolerance\":1}",
     "said        It is 6.\n"
     "gold        5\n"
     "formula     1 where the last numbers differ by at most 1, else 0\n"
     "reward      1: last number 6 vs 5\n"},
    {"regex", "The answer is 42.", "{}", "{\"pattern\":\"is \\\\d+\"}",
     "pattern     is \\d+\n"
     "match       at byte 11: is 42\n"
     "formula     1 where it matches, else 0\n"
     "reward      1: \"is \\d+\" matches\n"},
    {"xml", "<answer>b</answer><think>a</think>", "{}", NULL,
     "tags        <think> stands once, closed, in its place\n"
     "            <answer> begins before the tag in front of it ends\n"
     "formula     1 good tags of 2\n"},
    {"json", "{\"a\": 1}", "{}", "{\"required\":[\"a\",\"b\"]}",
     "said        {\"a\": 1}\n"
     "formula     1 where it is JSON of type any with the 2 keys required, else 0\n"
     "reward      0: JSON without the key \"b\"\n"},
    {"countdown", "so\n3+5 = 9", "{\"nums\":[3,5],\"target\":9}", NULL,
     "said        so 3+5 = 9\n"
     "expression  3+5\n"
     "formula     1 where it uses each of the 2 numbers once and is 9, else 0\n"
     "reward      0: 3+5  is 8/1, not 9\n"},
};

static void rewards_explain_themselves(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct err e = {0};
        struct str steps;
        str_init(&steps, 0);
        scored(reward_find(examples[i].name, &e), examples[i].completion, examples[i].row, examples[i].params,
               &steps);
        if (!strstr(steps.p, examples[i].text))
            fail_msg("%s:\n%s\nholds not:\n%s", examples[i].name, steps.p, examples[i].text);
        str_release(&steps);
    }
}

/* In the words of the sandbox: each test and what came of it. */
static void rewards_of_code_show_their_tests(void **state)
{
    (void)state;
    static const char info[] = "{\"verification_info\":{\"language\":\"python\",\"test_cases\":["
                               "{\"input\":\"2\",\"output\":\"2\"},{\"input\":\"-2\",\"output\":\"2\"}]}}";
    static const char tests[] = "{\"official_tests\":[{\"input\":\"3\",\"output\":\"YES\"},"
                                "{\"input\":\"4\",\"output\":\"NO\"}]}";
    struct err e = {0};
    struct str steps;
    if (sandbox_check(SANDBOX_BWRAP, NULL)) skip();
    str_init(&steps, 0);
    scored(reward_find("binary_code", &e), "```python\nprint(input())\n```", info, NULL, &steps);
    assert_string_equal(steps.p,
                        "code        python, 15 bytes: print(input())\n"
                        "tests       0: passed\n"
                        "            1: wrong_answer; line 1: \"-2\" instead of \"2\"\n"
                        "formula     1 tests passed of 2\n"
                        "            1 where that is above 0.99, else 0\n"
                        "reward      0: 1 of 2 tests pass; test 1, line 1: \"-2\" instead of \"2\"\n");
    str_clear(&steps);
    scored(reward_find("cf_code", &e), "```python\nprint('Yes')\n```", tests, NULL, &steps);
    assert_string_equal(
        steps.p, "tests       0: ran, score 1; passed\n"
                 "            1: ran, score 0; wrong_answer, line 1: \"Yes\" instead of \"NO\"\n"
                 "formula     weighted_sum: 1 of 2 tests passed\n"
                 "reward      0.05: 1 of 2 tests pass; test 1: wrong_answer, line 1: \"Yes\" instead of "
                 "\"NO\"\n");
    str_release(&steps);
}

/* All worked examples: the value does not depend on it, the last line says it, and all of it is valid. */
static void an_explanation_has_no_say(void **state)
{
    (void)state;
    for (size_t k = 0; reward_all()[k]; k++) {
        const struct reward *w = reward_all()[k];
        if (strstr(w->name, "code") && sandbox_check(SANDBOX_BWRAP, NULL)) continue;
        for (int i = 0; i < w->n_examples; i++) {
            const struct reward_example *x = &w->examples[i];
            struct str steps;
            str_init(&steps, 0);
            struct reward_result out = scored(w, x->completion, x->row, x->params, &steps);
            if (out.judged != x->judged || out.value - x->value > 1e-15 || x->value - out.value > 1e-15)
                fail_msg("%s of %s: %g, explained: %s", w->name, x->completion, out.value, steps.p);
            assert_non_null(strstr(steps.p, out.judged ? "reward      " : "not judged  "));
            json_t *valid = json_string(steps.p);
            assert_non_null(valid);
            json_decref(valid);
            str_release(&steps);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_explain_themselves),
        cmocka_unit_test(rewards_of_code_show_their_tests),
        cmocka_unit_test(an_explanation_has_no_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
