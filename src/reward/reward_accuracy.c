/* reward_accuracy.c: 1 if the answer equals column "solution", 0 if not, none if the gold cannot be read.
 *
 * Open-R1's accuracy_reward: the completion must give its answer in LaTeX, in a box or as a formula behind
 * "answer"; plain text earns nothing. With {"mode": "any"} plain answers count too, which models whose
 * tokens are digits need. The reasoning block is not looked at.
 */
#include "reward/reward_int.h"

static const struct reward_param accuracy_params[] = {CORRECT_PARAMS, {.name = NULL}};

static void accuracy_score(const struct reward_input *in, struct reward_result *out)
{
    correct_of(in, false, out);
}

static const struct reward_example accuracy_examples[] = {
    {"\\boxed{6}", "{\"solution\":\"6\"}", 1, true, NULL},
    {"\\boxed{5} then \\boxed{6}", "{\"solution\":\"6\"}", 1, true, NULL},
    {"\\boxed{6} then \\boxed{5}", "{\"solution\":\"6\"}", 0, true, NULL},
    {"The answer is $6$", "{\"solution\":\"6\"}", 1, true, NULL},
    {"The answer is 6", "{\"solution\":\"6\"}", 0, true, NULL},
    {"<think>\\boxed{5}</think> \\boxed{6}", "{\"solution\":\"6\"}", 1, true, NULL},
    {"\\boxed{0.5}", "{\"solution\":\"$\\\\frac{1}{2}$\"}", 1, true, NULL},
    {"\\boxed{1,000}", "{\"solution\":\"$1000$\"}", 1, true, NULL},
    {"\\boxed{A}", "{\"solution\":\"A\"}", 1, true, NULL},
    {"\\boxed{3}", "{\"solution\":\"3\\\\pi\"}", 0, true, NULL},
    {"\\boxed{A}", "{\"solution\":\"A\"}", 0, false, "{\"compat\":\"open-r1\"}"},
    {"\\boxed{6}", "{\"solution\":\"\"}", 0, false, NULL},
    {"\\boxed{6}", "{}", 0, false, NULL},
    {"", "{\"solution\":\"6\"}", 0, true, NULL},
    {"<think>\\boxed{6}</think>", "{\"solution\":\"6\"}", 0, true, NULL},
    {"<think>\\boxed{6}</think>", "{\"solution\":\"6\"}", 1, true, "{\"compat\":\"open-r1\"}"},
    {"The answer is 6", "{\"solution\":\"6\"}", 1, true, "{\"mode\":\"any\"}"},
};

const struct reward reward_accuracy = {
    .name = "accuracy",
    .metric = "accuracy_reward",
    .help = "1 if the boxed (or anchored LaTeX) answer equals column \"solution\"",
    .lo = 0,
    .hi = 1,
    .params = accuracy_params,
    .score = accuracy_score,
    .examples = accuracy_examples,
    .n_examples = sizeof accuracy_examples / sizeof *accuracy_examples,
};
