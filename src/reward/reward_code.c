/* reward_code.c: the share of a row's tests that the program in the completion passes.
 *
 * Open-R1's code_reward, with what was meant there: the whole output counts (there a correct beginning
 * passes), a test out of time costs only itself (there all), any character may stand in the code, the block
 * is sought under all names of the language, and a row without tests cannot be judged. {"compat":"open-r1"}
 * gives its numbers.
 */
#include "reward/code_work.h"

static const struct reward_param code_params[] = {CODE_SHARE_PARAMS};

#define SUM_INFO                                                                                             \
    "{\"verification_info\":{\"language\":\"python\",\"test_cases\":[{\"input\":\"1 2\",\"output\":\"3\"},"  \
    "{\"input\":\"5 5\",\"output\":\"10\\n\"}]}}"

static const struct reward_example code_examples[] = {
    {"<think>\neasy\n</think>\n```python\na, b = map(int, input().split())\nprint(a + b)\n```", SUM_INFO, 1,
     true, NULL},
    {"```python\nprint(3)\n```", SUM_INFO, 0.5, true, NULL},
    {"```py\nprint(3)\nprint(4)\n```", SUM_INFO, 0, true, NULL},
    {"print(3)", SUM_INFO, 0, true, NULL},
    {"```python\nprint(3)\n```", "{}", 0, false, NULL},
};

const struct reward reward_code = {
    .name = "code",
    .metric = "code_reward",
    .help = "share of the test cases in column \"verification_info\" that the code in the last block passes; "
            "runs "
            "in the sandbox",
    .lo = 0,
    .hi = 1,
    .params = code_params,
    .score = code_share_score,
    .examples = code_examples,
    .n_examples = sizeof code_examples / sizeof *code_examples,
};
