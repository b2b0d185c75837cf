/* reward_accuracy.c: 1 if the answer equals column "solution", 0 if not, none if the gold cannot be read.
 *
 * Open-R1's accuracy_reward: the completion must give its answer in LaTeX, in a box or as a formula behind
 * "answer"; plain text earns nothing. With {"mode": "any"} plain answers count too, which models whose tokens
 * are digits need. The reasoning block is not looked at.
 */
#include <string.h>

#include "reward/reward_int.h"
#include "verify/verify.h"

static void accuracy_score(const struct reward_input *in, struct reward_result *out)
{
    char number[32];
    const char *gold = row_solution(in->row, number);
    const json_t *mode = json_object_get(in->params, "mode");
    const char *name = mode ? json_string_value(mode) : "latex";
    struct verify_params p = verify_defaults(EXTRACT_LATEX);
    struct receipt r;
    if (name && strcmp(name, "any") == 0)
        p = verify_defaults(EXTRACT_ANY);
    else if (!name || strcmp(name, "latex") != 0) {
        reward_unjudged(out, "parameter \"mode\" must be \"latex\" or \"any\"");
        return;
    }
    if (!gold) {
        reward_unjudged(out, "the row has neither a column \"solution\" nor \"answer\"");
        return;
    }
    verify_math(gold, in->text, &p, &r);
    if (r.verdict == VERDICT_UNDECIDED)
        reward_unjudged(out, "%s", r.reason);
    else
        reward_give(out, r.verdict == VERDICT_CORRECT, "%.100s vs %.100s; %.100s", r.answer, r.gold,
                    r.reason);
}

static const struct reward_example accuracy_examples[] = {
    {"\\boxed{6}", "{\"solution\":\"6\"}", 1, true},
    {"\\boxed{5} then \\boxed{6}", "{\"solution\":\"6\"}", 1, true},
    {"\\boxed{6} then \\boxed{5}", "{\"solution\":\"6\"}", 0, true},
    {"The answer is $6$", "{\"solution\":\"6\"}", 1, true},
    {"The answer is 6", "{\"solution\":\"6\"}", 0, true},
    {"<think>\\boxed{5}</think> \\boxed{6}", "{\"solution\":\"6\"}", 1, true},
    {"\\boxed{0.5}", "{\"solution\":\"$\\\\frac{1}{2}$\"}", 1, true},
    {"\\boxed{1,000}", "{\"solution\":\"$1000$\"}", 1, true},
    {"\\boxed{A}", "{\"solution\":\"A\"}", 0, false},
    {"\\boxed{6}", "{\"solution\":\"\"}", 0, false},
    {"\\boxed{6}", "{}", 0, false},
    {"", "{\"solution\":\"6\"}", 0, true},
};

const struct reward reward_accuracy = {
    .name = "accuracy",
    .metric = "accuracy_reward",
    .help =
        "1 if the boxed (or anchored LaTeX) answer equals column \"solution\"; params {\"mode\":\"any\"}: "
        "plain answers too",
    .lo = 0,
    .hi = 1,
    .score = accuracy_score,
    .examples = accuracy_examples,
    .n_examples = sizeof accuracy_examples / sizeof *accuracy_examples,
};
