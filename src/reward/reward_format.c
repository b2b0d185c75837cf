/* reward_format.c: 1 if reasoning and answer stand in their tags, else 0.
 *
 * Open-R1's format_reward: re.match with DOTALL and MULTILINE of
 *   ^<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>$
 * The first ".*?" may hold anything, so the first border "\n</think>\n<answer>\n" behind the opening tag
 * is as good as any later one; "$" matches before any newline, so lines behind </answer> do no harm.
 */
#include <string.h>

#include "reward/reward_int.h"

static const char opening[] = "<think>\n", border[] = "\n</think>\n<answer>\n", closing[] = "\n</answer>";

static void format_score(const struct reward_input *in, struct reward_result *out)
{
    if (strncmp(in->text, opening, sizeof opening - 1) != 0) {
        reward_give(out, 0, "does not begin with <think> and a newline");
        return;
    }
    const char *p = strstr(in->text + sizeof opening - 1, border);
    if (!p) {
        reward_give(out, 0, "no </think> and <answer> on lines of their own");
        return;
    }
    for (p += sizeof border - 1; (p = strstr(p, closing)); p++) {
        char behind = p[sizeof closing - 1];
        if (behind && behind != '\n') continue;
        reward_give(out, 1, "reasoning and answer stand in their tags");
        return;
    }
    reward_give(out, 0, "no </answer> at the end of a line of its own");
}

static const struct reward_example format_examples[] = {
    {"<think>\na\n</think>\n<answer>\nb\n</answer>", "{}", 1, true, NULL},
    {"<think>\na\n</think>\n<answer>\nb\n</answer>\nmore text", "{}", 1, true, NULL},
    {"<think>\na\n</think>\n<answer>\nb\n</answer> more", "{}", 0, true, NULL},
    {"\n<think>\na\n</think>\n<answer>\nb\n</answer>", "{}", 0, true, NULL},
    {"<think>\n</think>\n<answer>\nb\n</answer>", "{}", 0, true, NULL},
    {"<think>\n\n</think>\n<answer>\n\n</answer>", "{}", 1, true, NULL},
    {"<think>\na\n</think>\n<think>\nc\n</think>\n<answer>\nb\n</answer>", "{}", 1, true, NULL},
    {"<think>\na\n</think>\n\n<answer>\nb\n</answer>", "{}", 0, true, NULL},
    {"<think>\r\na\r\n</think>\r\n<answer>\r\nb\r\n</answer>", "{}", 0, true, NULL},
};

const struct reward reward_format = {
    .name = "format",
    .metric = "format_reward",
    .help =
        "1 if the completion is <think> lines </think> <answer> lines </answer>, each tag on its own line",
    .lo = 0,
    .hi = 1,
    .score = format_score,
    .examples = format_examples,
    .n_examples = sizeof format_examples / sizeof *format_examples,
};
