/* task_arithmetic.c: sums in a sentence (data/gen_arithmetic.c); 512 held-out ones unless a dataset is
 * named. */
#include "eval/eval_int.h"

static json_t *arithmetic_items(const char *dataset, const char *split, struct err *e)
{
    return items_or_generated(dataset, split, "arithmetic", e);
}

const struct task task_arithmetic = {
    .name = "arithmetic",
    .help = "sums and differences of small numbers in a sentence; the final number counts",
    .items = arithmetic_items,
    .prompt = item_prompt,
    .score = score_answer,
};
