/* reward_numeric.c: 1 if the last number of the completion is the number in column "solution".
 *
 * Numbers are read as they are written and compared digit for digit; nothing is evaluated, so repeating an
 * expression from the problem earns nothing. With {"tolerance": x} they may differ by up to x.
 */
#include <stdlib.h>

#include "base/check.h"
#include "reward/reward_int.h"
#include "verify/verify.h"

static const struct reward_param numeric_params[] = {
    {.name = "tolerance", .type = PARAM_NUMBER, .lo = 0, .hi = 1e300, .help = "by how much they may differ"},
    {.name = NULL}};

static void numeric_score(const struct reward_input *in, struct reward_result *out)
{
    char number[32];
    const char *gold = row_solution(in->row, number);
    struct said said;
    if (!gold) {
        reward_no_solution(out, in->row);
    } else if (said_read(in, &said, out)) {
        char *answer = alloc_strn(said.p, said.n), reason[300];
        double tolerance = param_number(in->params, numeric_params, "tolerance");
        int same = last_numbers_same(gold, answer, tolerance, reason, sizeof reason);
        reward_step(in, "gold", "%s", gold);
        reward_step(in, "formula", "1 where the last numbers differ by at most %g, else 0", tolerance);
        if (same < 0)
            reward_unjudged(out, "%s", reason);
        else
            reward_give(out, same, "%s", reason);
        free(answer);
    }
}

static const struct reward_example numeric_examples[] = {
    {"41 + 33 = 74.", "{\"solution\":\"74\"}", 1, true, NULL},
    {"41 + 33.", "{\"solution\":\"74\"}", 0, true, NULL},
    {"The answer is \\boxed{-1,200.50}", "{\"solution\":-1200.5}", 1, true, NULL},
    {"<think>5</think>It is 6", "{\"solution\":\"5\"}", 0, true, NULL},
    {"about 3.14", "{\"solution\":3.14159}", 1, true, "{\"tolerance\":0.01}"},
    {"none", "{\"solution\":\"5\"}", 0, true, NULL},
    {"5", "{\"solution\":\"five\"}", 0, false, NULL},
};

const struct reward reward_numeric = {
    .name = "numeric",
    .metric = "numeric_reward",
    .help = "1 if the last number of the completion is column \"solution\"; nothing is evaluated",
    .lo = 0,
    .hi = 1,
    .params = numeric_params,
    .score = numeric_score,
    .examples = numeric_examples,
    .n_examples = sizeof numeric_examples / sizeof *numeric_examples,
};
