/* reward_think_format.c: 1 if the completion is one block of reasoning and something behind it.
 *
 * TRL's think_format_reward: it begins with <think>, no second <think> follows, and a </think> does.
 */
#include <string.h>

#include "base/str.h"
#include "reward/reward_int.h"

static void think_format_score(const struct reward_input *in, struct reward_result *out)
{
    if (!str_starts(in->text, "<think>"))
        reward_give(out, 0, "does not begin with <think>");
    else if (strstr(in->text + 1, "<think>"))
        reward_give(out, 0, "<think> occurs twice");
    else if (!strstr(in->text, "</think>"))
        reward_give(out, 0, "the reasoning was never finished");
    else
        reward_give(out, 1, "one block of reasoning at the beginning");
}

static const struct reward_example think_format_examples[] = {
    {"<think>a</think>b", "{}", 1, true, NULL},
    {"<think>\na\n</think>\nb </think>", "{}", 1, true, NULL},
    {"<think>a<think>b</think>c", "{}", 0, true, NULL},
    {" <think>a</think>b", "{}", 0, true, NULL},
    {"<think>a", "{}", 0, true, NULL},
};

const struct reward reward_think_format = {
    .name = "think_format",
    .metric = "think_format_reward",
    .help = "1 if the completion begins with <think>, has no second one, and closes it",
    .lo = 0,
    .hi = 1,
    .score = think_format_score,
    .examples = think_format_examples,
    .n_examples = sizeof think_format_examples / sizeof *think_format_examples,
};
