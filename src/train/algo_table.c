/* algo_table.c: all algorithms, from algo_list.h, and one of them by its name. */
#include "train/train.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

#define ALGO(name) extern const struct algo algo_##name;
#include "train/algo_list.h"
#undef ALGO

static const struct algo *const algos[] = {
#define ALGO(name) &algo_##name,
#include "train/algo_list.h"
#undef ALGO
    NULL};

const struct algo *algo_find(const char *name)
{
    for (size_t i = 0; algos[i]; i++)
        if (strcmp(algos[i]->name, name) == 0) return algos[i];
    CHECK(false, "no algorithm is called %s", name);
    return NULL;
}
