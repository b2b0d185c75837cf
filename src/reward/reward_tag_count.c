/* reward_tag_count.c: a quarter for each of four tags that occurs exactly once.
 *
 * Open-R1's tag_count_reward: "<think>\n", "\n</think>\n", "\n<answer>\n" and "\n</answer>", counted as
 * Python's str.count does, without overlap; their order does not matter.
 */
#include <stdio.h>
#include <string.h>

#include "reward/reward_int.h"

static int occurrences(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) n++;
    return n;
}

static void tag_count_score(const struct reward_input *in, struct reward_result *out)
{
    static const char *const tags[] = {"<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"};
    static const char *const named[] = {"<think> before a new line", "</think> on a line of its own",
                                        "<answer> on a line of its own", "</answer> behind a new line"};
    int count[4], right = 0;
    for (int i = 0; i < 4; i++) {
        count[i] = occurrences(in->text, tags[i]);
        right += count[i] == 1;
        reward_step(in, i ? "" : "tags", "%d x %s", count[i], named[i]);
    }
    reward_step(in, "formula", "0.25 x %d that occur once", right);
    reward_give(out, 0.25 * right, "<think> %d, </think> %d, <answer> %d, </answer> %d times", count[0],
                count[1], count[2], count[3]);
}

static const struct reward_example tag_count_examples[] = {
    {"<think>\nSome reasoning\n</think>\n<answer>\nThe answer\n</answer>", "{}", 1, true, NULL},
    {"<think>\nSome reasoning\n</think>\n<answer>\nThe answer", "{}", 0.75, true, NULL},
    {"Some reasoning\n</think>\n<answer>\nThe answer\n</answer>", "{}", 0.75, true, NULL},
    {"<answer>\nb\n</answer>", "{}", 0.25, true, NULL},
    {"\n</answer>\n<answer>\n\n</think>\n<think>\n", "{}", 1, true, NULL},
    {"\n</think>\n</think>\n", "{}", 0.25, true, NULL},
    {"Some reasoning\nThe answer", "{}", 0, true, NULL},
};

const struct reward reward_tag_count = {
    .name = "tag_count",
    .metric = "tag_count_reward",
    .help = "a quarter for each of <think>, </think>, <answer>, </answer> that stands exactly once, with its "
            "newlines",
    .lo = 0,
    .hi = 1,
    .score = tag_count_score,
    .examples = tag_count_examples,
    .n_examples = sizeof tag_count_examples / sizeof *tag_count_examples,
};
