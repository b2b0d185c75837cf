/* reward_exact.c: 1 if what the completion says behind its reasoning is column "solution", letter for
 * letter.
 *
 * Blanks at both ends do not count; <answer> tags are optional. For tasks whose answer is one string.
 */
#include <ctype.h>
#include <string.h>

#include "reward/reward_int.h"

static void exact_score(const struct reward_input *in, struct reward_result *out)
{
    char number[32];
    const char *gold = row_solution(in->row, number);
    struct said said;
    if (!gold) {
        reward_no_solution(out, in->row);
        return;
    }
    if (!said_read(in, &said, out)) return;
    size_t n = strlen(gold);
    while (n && isspace((unsigned char)*gold)) gold++, n--;
    while (n && isspace((unsigned char)gold[n - 1])) n--;
    reward_step(in, "gold", "%.*s", (int)n, gold);
    reward_step(in, "formula", "1 where both are the same bytes, %zu and %zu, else 0", said.n, n);
    bool same = n == said.n && memcmp(gold, said.p, n) == 0;
    reward_give(out, same, "\"%.*s\" vs \"%.*s\"", said.n < 100 ? (int)said.n : 100, said.p,
                n < 100 ? (int)n : 100, gold);
}

static const struct reward_example exact_examples[] = {
    {"7", "{\"solution\":\"7\"}", 1, true, NULL},
    {"<think>-8=7</think>7", "{\"solution\":\"7\"}", 1, true, NULL},
    {"<think>\nx\n</think>\n<answer>\nblue\n</answer>", "{\"solution\":\" blue\"}", 1, true, NULL},
    {"77", "{\"solution\":\"7\"}", 0, true, NULL},
    {"<think>7", "{\"solution\":\"7\"}", 0, true, NULL},
    {"7", "{\"solution\":7}", 1, true, NULL},
    {"7", "{}", 0, false, NULL},
};

const struct reward reward_exact = {
    .name = "exact",
    .metric = "exact_reward",
    .help = "1 if the completion, its reasoning left out, is column \"solution\" letter for letter",
    .lo = 0,
    .hi = 1,
    .score = exact_score,
    .examples = exact_examples,
    .n_examples = sizeof exact_examples / sizeof *exact_examples,
};
