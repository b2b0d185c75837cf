/* kern_case.h: inputs for the tests of kern/, and a walk over the tables that this CPU can run. */
#ifndef TESTS_KERN_CASE_H
#define TESTS_KERN_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "kern/kern.h"

/* Uniform in (-scale, scale), the same for the same seed. */
static inline void case_fill(float *x, size_t n, float scale, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        struct rng_at at = {seed, RNG_TEST, 0, 0, (uint32_t)i};
        x[i] = scale * (float)((double)(rng_u64(&at) >> 11) * 0x1p-52 - 1.0);
    }
}

static inline float *case_floats(size_t n, float scale, uint32_t seed)
{
    float *x = alloc_floats(n ? n : 1);
    case_fill(x, n, scale, seed);
    return x;
}

/* Usable tables from the i-th on, or NULL. */
static inline const struct kern *case_table(int *i)
{
    const struct kern *const *all = kern_tables();
    while (all[*i] && !all[*i]->usable()) (*i)++;
    return all[*i] ? all[(*i)++] : NULL;
}

#endif
