/* algo_table.c: all algorithms, from algo_list.h. */
#include "train/train.h"

#include <stddef.h>

#define ALGO(name) extern const struct algo algo_##name;
#include "train/algo_list.h"
#undef ALGO

static const struct algo *const algos[] = {
#define ALGO(name) &algo_##name,
#include "train/algo_list.h"
#undef ALGO
    NULL};

const struct algo *const *algo_all(void)
{
    return algos;
}
