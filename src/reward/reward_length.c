/* reward_length.c: among the completions of one prompt, short right ones gain and long ones lose.
 *
 * Kimi k1.5's length reward (Kimi Team 2025, section 2.3.3), Open-R1's len_reward:
 *   lambda = 0.5 - (length - min) / (max - min); right: lambda, wrong: min(0, lambda); all 0 when min = max,
 * lengths in characters. There min and max go over a batch of different prompts, and a gold without LaTeX
 * marks makes every answer right. Here they go over the completions of one prompt, the answer is judged as
 * accuracy does, and a gold that cannot be read is not judged. With {"compat":"open-r1"} the completions
 * given together are the batch.
 */
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "reward/reward_int.h"

static const struct reward_param length_params[] = {CORRECT_PARAMS, {.name = NULL}};

static void length_score_group(const struct reward_input *in, int n, struct reward_result *out)
{
    size_t least = SIZE_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        size_t length = utf8_count(in[i].text, strlen(in[i].text));
        if (length < least) least = length;
        if (length > most) most = length;
    }
    for (int i = 0; i < n; i++) {
        struct reward_result judged;
        enum correct c = correct_of(&in[i], true, &judged);
        size_t length = utf8_count(in[i].text, strlen(in[i].text));
        double value = most == least ? 0 : 0.5 - (double)(length - least) / (double)(most - least);
        if (c == CORRECT_NO && value > 0) value = 0;
        reward_step(&in[i], "length", "%zu characters; of this prompt's completions: %zu to %zu", length,
                    least, most);
        reward_step(&in[i], "formula", "%s",
                    most == least     ? "0 where all are of one length"
                    : c == CORRECT_NO ? "min(0, 0.5 - (length - least)/(most - least))"
                                      : "0.5 - (length - least)/(most - least)");
        if (c == CORRECT_UNKNOWN)
            out[i] = judged;
        else
            reward_give(&out[i], value, "%s, %zu characters of %zu to %zu; %.180s",
                        c == CORRECT_NO ? "wrong" : "right", length, least, most, judged.reason);
    }
}

/* An example is a group of its own; tests/reward compares groups with Open-R1's. */
static const struct reward_example length_examples[] = {
    {"\\boxed{6}", "{\"solution\":\"6\"}", 0, true, NULL},
    {"\\boxed{7}", "{\"solution\":\"6\"}", 0, true, NULL},
    {"\\boxed{A}", "{\"solution\":\"A\"}", 0, true, "{\"compat\":\"open-r1\"}"},
};

const struct reward reward_length = {
    .name = "length",
    .metric = "len_reward",
    .help =
        "among the completions of a prompt: the shortest right one 0.5, the longest -0.5; wrong: at most 0",
    .lo = -0.5,
    .hi = 0.5,
    .params = length_params,
    .score_group = length_score_group,
    .examples = length_examples,
    .n_examples = sizeof length_examples / sizeof *length_examples,
};
