/* reward_think_format.c: 1 if the completion is one block of reasoning and something behind it.
 *
 * TRL's think_format_reward: it begins with <think>, no second <think> follows, and a </think> does.
 */
#include <string.h>

#include "base/str.h"
#include "reward/reward_int.h"

static void think_format_score(const struct reward_input *in, struct reward_result *out)
{
    const char *open = str_starts(in->text, "<think>") ? in->text : NULL;
    const char *second = open ? strstr(open + 1, "<think>") : NULL, *close = strstr(in->text, "</think>");
    reward_mark(in, "opening", open, "<think> at the beginning");
    if (second) reward_mark(in, "second", second, "<think> once more");
    reward_mark(in, "closing", close, "</think>");
    reward_step(in, "formula", "1 where it is opened once, at the beginning, and closed, else 0");
    reward_give(out, open && !second && close, "%s",
                !open    ? "does not begin with <think>"
                : second ? "<think> occurs twice"
                : !close ? "the reasoning was never finished"
                         : "one block of reasoning at the beginning");
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
