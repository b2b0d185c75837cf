/* reward_reasoning_accuracy.c: accuracy of what stands behind the reasoning; 0 if the reasoning never
 * ended.
 *
 * TRL's reasoning_accuracy_reward: a completion without </think> earns nothing, whatever it says. The text
 * behind the last mark counts.
 */
#include <string.h>

#include "reward/reward_int.h"

static const struct reward_param reasoning_accuracy_params[] = {
    {.name = "end_mark", .type = PARAM_TEXT, .text = "</think>", .help = "what ends the reasoning"},
    CORRECT_PARAMS,
    {.name = NULL}};

static void reasoning_accuracy_score(const struct reward_input *in, struct reward_result *out)
{
    const char *mark = param_text(in->params, reasoning_accuracy_params, "end_mark"), *behind = NULL;
    for (const char *p = in->text; *mark && (p = strstr(p, mark));) behind = p += strlen(mark);
    struct reward_input answer = *in;
    reward_mark(in, "end mark", behind ? behind - strlen(mark) : NULL, mark);
    if (!behind) {
        reward_give(out, 0, "no %.40s: the reasoning was never finished", mark);
        return;
    }
    answer.text = behind;
    correct_of(&answer, false, out);
}

static const struct reward_example reasoning_accuracy_examples[] = {
    {"<think>\\boxed{5}</think>\\boxed{6}", "{\"solution\":\"6\"}", 1, true, NULL},
    {"<think>\\boxed{6}</think>\\boxed{5}", "{\"solution\":\"6\"}", 0, true, NULL},
    {"<think>\\boxed{6}</think>", "{\"solution\":\"6\"}", 0, true, NULL},
    {"\\boxed{6}", "{\"solution\":\"6\"}", 0, true, NULL},
    {"<t>5</t>\\boxed{6}", "{\"solution\":\"6\"}", 1, true, "{\"end_mark\":\"</t>\"}"},
    {"</think>\\boxed{A}", "{\"solution\":\"A\"}", 1, true, NULL},
};

const struct reward reward_reasoning_accuracy = {
    .name = "reasoning_accuracy",
    .metric = "reasoning_accuracy_reward",
    .help = "accuracy of what stands behind </think>; 0 without it",
    .lo = 0,
    .hi = 1,
    .params = reasoning_accuracy_params,
    .score = reasoning_accuracy_score,
    .examples = reasoning_accuracy_examples,
    .n_examples = sizeof reasoning_accuracy_examples / sizeof *reasoning_accuracy_examples,
};
