/* task_countdown.c: reach a target with given numbers, scored by the countdown reward.
 *
 * Rows need "nums" and "target". A row without "prompt" is asked in a sentence, as one user message.
 */
#include <stdio.h>

#include "base/str.h"
#include "eval/eval_int.h"
#include "reward/reward.h"

static json_t *countdown_items(const char *dataset, const char *split, struct err *e)
{
    return items_or_generated(dataset, split, "countdown", e);
}

static json_t *countdown_prompt(const json_t *item, const json_t *params)
{
    const json_t *nums = json_object_get(item, "nums");
    size_t n = json_array_size(nums);
    if (json_object_get(item, "prompt")) return item_prompt(item, params);
    struct str s;
    str_init(&s, 0);
    str_puts(&s, "Using the numbers ");
    for (size_t i = 0; i < n; i++)
        str_addf(&s, "%s%lld",
                 i == 0       ? ""
                 : i + 1 == n ? " and "
                              : ", ",
                 (long long)json_integer_value(json_array_get(nums, i)));
    str_addf(&s,
             ", write an expression that equals %lld. Use each number exactly once, with + - * / and "
             "parentheses. Think first, then give the expression between <answer> and </answer>.",
             (long long)json_integer_value(json_object_get(item, "target")));
    json_t *prompt = json_pack("[{s:s,s:s}]", "role", "user", "content", s.p);
    str_release(&s);
    return prompt;
}

static int countdown_score(const json_t *item, const char *completion, char *reason, size_t size)
{
    const struct reward *w = reward_find("countdown", NULL);
    struct reward_input in = {.text = completion, .row = item, .n_ids = -1};
    struct reward_result out = {0};
    w->score(&in, &out);
    snprintf(reason, size, "%s", out.reason);
    return out.judged ? out.value == 1 : -1;
}

const struct task task_countdown = {
    .name = "countdown",
    .help = "an expression that uses each given number once and equals the target",
    .items = countdown_items,
    .prompt = countdown_prompt,
    .score = countdown_score,
};
