/* task_chain.c: chains of digits modulo ten (data/gen_chain.c); 512 held-out problems unless a dataset is
 * named. */
#include "eval/eval_int.h"

static json_t *chain_items(const char *dataset, const char *split, struct err *e)
{
    return items_or_generated(dataset, split, "chain", e);
}

const struct task task_chain = {
    .name = "chain",
    .help = "digits worked out from left to right modulo ten; the final digit counts",
    .items = chain_items,
    .prompt = item_prompt,
    .score = score_answer,
};
