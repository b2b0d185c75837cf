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
    const char *open = strncmp(in->text, opening, sizeof opening - 1) == 0 ? in->text : NULL;
    const char *p = open ? strstr(open + sizeof opening - 1, border) : NULL;
    const char *close = p ? strstr(p + sizeof border - 1, closing) : NULL;
    while (close && close[sizeof closing - 1] && close[sizeof closing - 1] != '\n')
        close = strstr(close + 1, closing);
    reward_mark(in, "opening", open, "<think> on a line of its own, at the beginning");
    if (open) reward_mark(in, "border", p ? p + 1 : NULL, "</think> and <answer> on lines of their own");
    if (p) reward_mark(in, "closing", close ? close + 1 : NULL, "</answer> on a line of its own");
    reward_step(in, "formula", "1 where all three stand, one behind the other, else 0");
    reward_give(out, close != NULL, "%s",
                !open    ? "does not begin with <think> and a newline"
                : !p     ? "no </think> and <answer> on lines of their own"
                : !close ? "no </answer> at the end of a line of its own"
                         : "reasoning and answer stand in their tags");
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
