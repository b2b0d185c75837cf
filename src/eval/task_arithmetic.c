/* task_arithmetic.c: sums in a sentence (data/gen_arithmetic.c); 512 held-out ones unless a dataset is
 * named. The last number written out counts: repeating the sum is no answer. */
#include <stdio.h>
#include <string.h>

#include "eval/eval_int.h"
#include "verify/verify.h"

static json_t *arithmetic_items(const char *dataset, const char *split, struct err *e)
{
    return items_or_generated(dataset, split, "arithmetic", e);
}

static int arithmetic_score(const json_t *item, const char *completion, char *reason, size_t size)
{
    char want[64], have[64];
    const char *gold = json_string_value(json_object_get(item, "solution"));
    if (!gold || !last_number(gold, want, sizeof want)) {
        snprintf(reason, size, "the item has no number as \"solution\"");
        return -1;
    }
    if (!last_number(completion, have, sizeof have)) {
        snprintf(reason, size, "no number (wanted %s)", want);
        return 0;
    }
    snprintf(reason, size, "last number %s vs %s", have, want);
    return strcmp(have, want) == 0;
}

const struct task task_arithmetic = {
    .name = "arithmetic",
    .help = "sums and differences of small numbers in a sentence; the last number counts",
    .items = arithmetic_items,
    .prompt = item_prompt,
    .score = arithmetic_score,
};
