/* task_arithmetic.c: sums in a sentence (data/gen_arithmetic.c); 512 held-out ones unless a dataset is
 * named. The last number written out counts: repeating the sum is no answer. */
#include "eval/eval_int.h"
#include "verify/verify.h"

static json_t *arithmetic_items(const char *dataset, const char *split, struct err *e)
{
    return items_or_generated(dataset, split, "arithmetic", e);
}

static int arithmetic_score(const json_t *item, const char *completion, char *reason, size_t size)
{
    const char *gold = json_string_value(json_object_get(item, "solution"));
    return last_numbers_same(gold ? gold : "", completion, 0, reason, size);
}

const struct task task_arithmetic = {
    .name = "arithmetic",
    .help = "sums and differences of small numbers in a sentence; the last number counts",
    .items = arithmetic_items,
    .prompt = item_prompt,
    .score = arithmetic_score,
};
