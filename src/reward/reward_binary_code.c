/* reward_binary_code.c: 1 if the program in the completion passes all of a row's tests, else 0. */
#include <string.h>

#include "reward/code_work.h"

static const struct reward_param binary_code_params[] = {CODE_SHARE_PARAMS};

static void binary_code_score(const struct reward_input *in, struct reward_result *out)
{
    code_share_score(in, out);
    if (!out->judged) return;
    reward_step(in, "", "1 where that is above 0.99, else 0");
    out->value = out->value > 0.99; /* Open-R1's bound */
}

#define ABS_INFO                                                                                             \
    "{\"verification_info\":{\"language\":\"python\",\"test_cases\":[{\"input\":\"2\",\"output\":\"2\"},"    \
    "{\"input\":\"-2\",\"output\":\"2\"}]}}"

static const struct reward_example binary_code_examples[] = {
    {"```python\nprint(abs(int(input())))\n```", ABS_INFO, 1, true, NULL},
    {"```python\nprint(int(input()))\n```", ABS_INFO, 0, true, NULL},
    {"```python\nprint(2)\n```", "{}", 0, false, NULL},
};

const struct reward reward_binary_code = {
    .name = "binary_code",
    .metric = "binary_code_reward",
    .help =
        "1 if the code in the last block passes all test cases in column \"verification_info\"; runs in the "
        "sandbox",
    .lo = 0,
    .hi = 1,
    .params = binary_code_params,
    .score = binary_code_score,
    .examples = binary_code_examples,
    .n_examples = sizeof binary_code_examples / sizeof *binary_code_examples,
};
